"""Schedules of other engines for game days: Kubernetes, EventBridge Scheduler, and systemd.

Each engine reads an expression of its own, and treats changes of the clock in its own way. An export is refused where
the engine would start a game day at other instants than the calendar plans.
"""
