"""The drill control: what an experiment cannot do for itself.

``drill`` holds the hooks that Chaos Toolkit calls. ``session`` is the drill that goes on; the other modules are its
parts: what the user wrote (``settings``, ``arguments``), where it runs (``target``), what is watched meanwhile
(``watching``, ``safeguards``), what is shown (``display``, ``summary``) and how a signal is taken (``signals``).
"""
