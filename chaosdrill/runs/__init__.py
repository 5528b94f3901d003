"""The run store: what drills left behind, read back to be judged again, however it was mistreated."""

from chaosdrill.runs.finding import find_run
from chaosdrill.runs.reading import read_run
from chaosdrill.runs.storing import store

__all__ = ["find_run", "read_run", "store"]
