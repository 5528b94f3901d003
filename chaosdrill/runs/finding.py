"""Which stored run somebody means."""

from pathlib import Path

from chaosdrill.errors import BadInput
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.home import runs_directory


def find_run(named: str = "") -> Path:
    """:returns: the directory of a run.

    :param named: its id, the beginning of it, or a path; empty: the newest.
    :raises BadInput: when there is none, or several fit.
    """
    if named and (Path(named) / HISTORY).is_file():
        return Path(named)
    runs = runs_directory()
    paths = runs.iterdir() if runs.is_dir() else ()
    there = sorted(path.name for path in paths if path.is_dir() and not path.name.startswith("."))
    if not named:
        if not there:
            raise BadInput([f"there is no run in {runs}: run an experiment first, or name a run directory"])
        return runs / there[-1]
    if Path(named).is_dir():
        return Path(named)
    fitting = [name for name in there if name == named] or [name for name in there if name.startswith(named)]
    if len(fitting) == 1:
        return runs / fitting[0]
    if fitting:
        shown = ", ".join(fitting[-5:])
        raise BadInput([f"{len(fitting)} runs begin with {named!r}: write more of it ({shown})"])
    newest = f"; the newest is {there[-1]}" if there else ""
    raise BadInput([f"there is no run {named!r} in {runs}, and no directory of that name{newest}"])
