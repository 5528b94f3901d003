"""The run store: what drills recorded, read back to be judged again, even if it was damaged.

Its modules are imported on first use: a list of runs needs none of the modules that judge a run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosdrill.runs.lookup import find_run
    from chaosdrill.runs.reading import read_run
    from chaosdrill.runs.records.storing import store

__all__ = ["find_run", "read_run", "store"]

_FROM = {"find_run": "lookup", "read_run": "reading", "store": "records.storing"}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
