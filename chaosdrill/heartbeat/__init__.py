"""Heartbeat: constant-rate requests to the application, independent of its responses, with a record of each beat and
write.

It is a process of its own, ``python -m chaosdrill.heartbeat CONFIG.json``, beside the load and where the clients are.
It needs the standard library only, because it is packed for the client host; this file imports nothing for that reason.
``actions`` and ``probes`` are the activities, which are not packed.
"""
