"""Discovery of a topology in an account, and checks of an existing topology; both only read.

It is a layer above ``client`` and ``aws``, because it reads through both; ``topology`` itself makes no AWS calls.
"""
