"""Load: starting and stopping Locust's clients, and judging their responses in a window of time.

``actions`` and ``probes`` are the activities. ``plugin`` and ``reference`` run inside Locust only, never in the process
of ``chaos run``: importing Locust patches the whole process with gevent.
"""
