"""Rescue: bringing a system back after the driver of a drill died, from what its parts say and what is owed.

``facts`` names what a rescue decides by, ``decisions`` is the ordered list of states, ``plan`` makes steps of the one
that fits, and ``rounds`` carries plans out until nothing is left to do. None of these reads or writes anything itself:
``execute`` has the parts read the facts and make the steps.
"""
