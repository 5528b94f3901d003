"""The drill control: what an experiment cannot do for itself.

``drill`` holds the hooks that Chaos Toolkit calls; ``opening``, ``session`` and ``closing`` are the drill in its order.
The other modules are its parts: what the user wrote (``settings``, ``arguments``, ``hooks``, ``undoing``), where it
runs (``target``), what is recorded (``record``), what is watched meanwhile (``lookout``, ``watching``, ``safeguards``,
``stop_conditions``),
what is shown (``display``, ``summary``) and how a signal is taken (``signals``).
"""
