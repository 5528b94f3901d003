"""Heartbeat: asks the application at a constant rate whatever it answers, and writes down each beat and each write.

A process of its own, ``python -m chaosdrill.heartbeat CONFIG.json``, beside the load and where the clients are. It
needs the standard library only, because it is packed for the client host; this file imports nothing for that reason.
``actions`` and ``probes`` are the activities, which are not packed.
"""
