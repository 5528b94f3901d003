"""Selection of stored runs to compare: by id, path, tag or days, or those that passed before."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chaosdrill.analysis.compared_run import COMPARABLE
from chaosdrill.errors import BadInput, problem
from chaosdrill.paths import runs_directory
from chaosdrill.runs.catalogue import catalogue
from chaosdrill.runs.entries import RunEntry
from chaosdrill.runs.lookup import find_run

TAG, PASSED = "tag:", "passed"
_DAYS = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?", re.ASCII)
_PASSED = re.compile(r"passed(?::([1-9]\d{0,4}))?", re.ASCII)


@dataclass(frozen=True)
class RunStore:
    """The runs of a directory, read on first access."""

    directory: Path

    @cached_property
    def entries(self) -> Sequence[RunEntry]:
        """The entries of all runs, oldest first."""
        return sorted(catalogue(self.directory), key=lambda entry: (entry.began, entry.run))

    def paths(self, entries: Iterable[RunEntry]) -> list[Path]:
        """Return the directories of these entries."""
        return [self.directory / entry.run for entry in entries]


def the_store() -> RunStore:
    """Return this user's runs."""
    return RunStore(runs_directory())


def newest_alike(
    store: RunStore, number: int | None, experiment: str | None = None
) -> tuple[list[Path], list[RunEntry]]:
    """Return the newest runs that can be compared with each other.

    :param number: the greatest number of runs; None: all of them.
    :param experiment: default: that of the newest run.
    :returns: their directories, oldest first; and the runs in between that are left out.
    :raises BadInput: when there is no run, or none of the experiment.
    """
    if not store.entries:
        raise BadInput([problem("run-missing", f"there is no run in {store.directory}: run an experiment first")])
    named = experiment if experiment is not None else store.entries[-1].experiment
    among = [entry for entry in store.entries if entry.experiment == named]
    if not among:
        there = ", ".join(sorted({entry.experiment for entry in store.entries}))
        why = f"--experiment {named}: there is no run of it in {store.directory}; there are runs of {there}"
        raise BadInput([problem("run-missing", why)])
    newest = next((entry for entry in reversed(among) if _proves(entry)), None)
    if newest is None:
        return [], among
    alike = [entry for entry in among if _proves(entry) and _is_like(entry, newest)]
    chosen = alike if number is None else alike[-number:]
    others = [entry for entry in among[among.index(chosen[0]) :] if entry not in chosen]
    return store.paths(chosen), others


def chosen(store: RunStore, named: Iterable[str], beside: Sequence[Path] = ()) -> list[Path]:
    """Return the runs that the user named.

    :param named: each a run's id, the beginning of it, or a path; ``tag:NAME``; a day or ``DAY..DAY``; ``passed`` or
        ``passed:N``: the newest that passed before the oldest run of ``beside`` and are comparable with its newest run.
    :returns: their directories, each once.
    :raises BadInput: for each name without a run.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    for one in named:
        try:
            found.update(dict.fromkeys(_chosen(store, one, beside)))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return list(found)


def _chosen(store: RunStore, named: str, beside: Sequence[Path]) -> list[Path]:
    if named.startswith(TAG):
        tag = named.removeprefix(TAG)
        return _some(
            store, lambda entry: tag in entry.tags, f"no run has the tag {tag!r}: `chaosdrill runs tag` gives it"
        )
    if days := _DAYS.fullmatch(named):
        since, until = days[1], days[2] or days[1]
        told = f"no run began from {since} to {until} (UTC)"
        return _some(store, lambda entry: since <= entry.began[:10] <= until, told)
    if passed := _PASSED.fullmatch(named):
        return passed_before(store, beside, int(passed[1] or 1))
    return [find_run(named)]


def _some(store: RunStore, wanted: Callable[[RunEntry], bool], or_else: str) -> list[Path]:
    found = [entry for entry in store.entries if wanted(entry)]
    if not found:
        raise BadInput([problem("run-missing", or_else)])
    return store.paths(found)


def passed_before(store: RunStore, runs: Sequence[Path], number: int) -> list[Path]:
    """Return the newest runs that passed before these, of the same experiment, target and scale; may be empty."""
    known = {path.name for path in runs if path.parent.absolute() == store.directory.absolute()}
    these = [entry for entry in store.entries if entry.run in known]
    if not these:
        return []
    earlier = store.entries[: store.entries.index(these[0])]
    alike = [one for one in earlier if one.verdict == PASSED and _proves(one) and _is_like(one, these[-1])]
    return store.paths(alike[-number:])


def _proves(entry: RunEntry) -> bool:
    return entry.verdict in COMPARABLE and not entry.broken


def _is_like(entry: RunEntry, other: RunEntry) -> bool:
    return (entry.experiment, entry.target, entry.scale) == (other.experiment, other.target, other.scale)
