"""Which run is watched: the one that goes on, else the next one that begins."""

import time
from collections.abc import Callable
from pathlib import Path

from chaosdrill.home import runs_directory
from chaosdrill.runs.finding import names_of_runs
from chaosdrill.runs.going_on import goes_on

EVERY_S = 0.5
NEWEST = 3  # a drill that goes on is one of the last that began, one on each target


def wait_for_run(tell: Callable[[str], None], pause: Callable[[float], None] = time.sleep) -> Path:
    """:returns: the newest run that goes on; when there is none, the next one that begins.

    :param tell: is told once that there is none, and that one is waited for.
    :param pause: waits so many seconds.
    :raises BadInput: when the runs cannot be read.
    """
    runs = runs_directory()
    known = sorted(names_of_runs(runs))
    for name in known[: -NEWEST - 1 : -1]:
        if goes_on(runs / name):
            return runs / name
    newest = f"; the last one was {known[-1]}" if known else ""
    tell(f"no drill goes on in {runs}{newest}: waiting for one to begin (Ctrl-C to leave)")
    while not (new := sorted(set(names_of_runs(runs)) - set(known))):
        pause(EVERY_S)
    return runs / new[-1]
