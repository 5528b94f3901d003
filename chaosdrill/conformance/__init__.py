"""Whether AWS is as chaosdrill assumes where no document decides it: read in a real account, nothing changed.

``assumptions`` has what an assumption is, ``check`` puts them together; the others read a part of the system each.
"""
