"""Looking at an account without changing anything: what a topology would say of it, and whether a topology is right.

Above ``client`` and ``aws``, because it reads through both; ``topology`` itself stays free of AWS calls.
"""
