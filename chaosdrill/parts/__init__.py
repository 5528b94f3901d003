"""The parts of a drilled system, behind one interface: the core iterates over them and names no service.

Each part's own folder has a module ``part`` that knows the part's checks, its facts, its undo and its leftovers. The
registry finds the parts that a topology has.
"""
