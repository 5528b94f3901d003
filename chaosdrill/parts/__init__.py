"""The parts of a drilled system, behind one interface: the core iterates over them and names no service.

Each part's own folder has a module ``part`` with the part's checks, facts, undo and leftovers. The registry finds the
parts of a topology.
"""
