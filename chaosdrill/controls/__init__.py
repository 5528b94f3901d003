"""The drill control: everything that an experiment cannot do for itself.

``drill`` has the hooks that Chaos Toolkit calls; ``opening``, ``session`` and ``closing`` are the drill in its order.
The other modules are its parts: the user's input (``settings``, ``arguments``, ``hooks``, ``undoing``), the target of
the drill (``target``), its records (``record``), its monitors (``lookout``, ``watching``, ``safeguards``,
``stop_conditions``), its display (``display``, ``summary``) and its signals (``signals``).
"""
