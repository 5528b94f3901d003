"""What happened in a drill: its events, its run directory, and the drill that is open in this process."""

from chaosdrill.history.current import OpenDrill, current, interrupted, opened, record
from chaosdrill.history.log import Event, History, read_history
from chaosdrill.history.plain import plain, secret_texts

__all__ = [
    "Event",
    "History",
    "OpenDrill",
    "current",
    "interrupted",
    "opened",
    "plain",
    "read_history",
    "record",
    "secret_texts",
]
