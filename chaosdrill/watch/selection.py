"""Selection of the run to watch: the one that is running, otherwise the next one that begins."""

import time
from collections.abc import Callable
from pathlib import Path

from chaosdrill.paths import runs_directory
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.lookup import names_of_runs

EVERY_S = 0.5
NEWEST = 3  # a running drill is among the newest runs, one on each target


def wait_for_run(tell: Callable[[str], None], pause: Callable[[float], None] = time.sleep) -> Path:
    """Return the newest running drill's run; without one, wait for the next one that begins.

    :param tell: called once with a message if no drill is running.
    :param pause: waits that many seconds.
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
