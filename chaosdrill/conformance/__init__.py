"""The conformance check: whether AWS behaves as chaosdrill assumes where no documentation decides it.

It reads a real account and changes nothing. ``assumptions`` defines an assumption, ``check`` combines all of them; each
other module reads a part of the system.
"""
