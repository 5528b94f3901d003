"""Rescue: bringing a system back after the driver of a drill died, from the facts of its parts and the owed undos.

``facts`` defines the input of the decision, ``decisions`` is the ordered list of states, ``plan`` turns the matching
state into steps, and ``rounds`` carries plans out until nothing is left to do. None of these reads or writes anything
itself: ``execute`` has the parts read the facts and make the steps.
"""
