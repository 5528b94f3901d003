"""Finding a stored run by id, prefix or path."""

import os
from collections.abc import Iterator
from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.paths import runs_directory


def find_run(named: str = "") -> Path:
    """Return the directory of a run.

    :param named: its id, the beginning of its id, or a path; empty: the newest run.
    :raises BadInput: when there is none, or several match.
    """
    runs = runs_directory()
    there = sorted(names_of_runs(runs))
    if not named:
        if not there:
            why = f"there is no run in {runs}: run an experiment first, or name a run directory"
            raise BadInput([problem("run-missing", why)])
        return runs / there[-1]
    if os.path.isdir(named):  # False also for a name that no file can have
        return Path(os.path.abspath(named))
    fitting = [name for name in there if name == named] or [name for name in there if name.startswith(named)]
    if len(fitting) == 1:
        return runs / fitting[0]
    if fitting:
        shown = ", ".join(fitting[-5:])
        why = f"{len(fitting)} runs begin with {named!r}: write more of it ({shown})"
        raise BadInput([problem("run-ambiguous", why)])
    newest = f"; the newest is {there[-1]}" if there else ""
    why = f"there is no run {named!r} in {runs}, and no directory of that name{newest}"
    raise BadInput([problem("run-missing", why)])


def names_of_runs(runs: Path) -> Iterator[str]:
    """Yield the names of the directories that may be runs, in no order; none without a store.

    :raises BadInput: when the store cannot be read.
    """
    try:
        with os.scandir(runs) as found:
            yield from (one.name for one in found if not one.name.startswith(".") and one.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BadInput([f"the runs in {runs} cannot be read: {error.strerror}"]) from error
