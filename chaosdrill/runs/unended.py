"""Drills on this machine that have not ended: those that still run, and those that died and owe an undo."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.history.owed_undos import OwedUndo, owed_undos
from chaosdrill.runs.dead_runs import MOST_RUNS, dead_run, first, same_system
from chaosdrill.runs.events import read_events
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.runs.summaries import DRILL, read_summary

Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class SystemFile:
    """A topology that identifies the runs of a system.

    :param target: lab or aws. Runs on the lab are identified by the content alone, because each lab writes the file
        anew.
    :param sha256: the hash of the file, in hexadecimal.
    """

    target: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class UnendedRun:
    """A drill without an end, as recorded in its history on this machine.

    :param by: who started it, ``user@host``.
    :param began: when it began, UTC, ISO 8601.
    :param step: the last activity that was begun and has not ended; empty between activities.
    """

    run: str
    state: Literal["live", "died"]
    experiment: str
    by: str
    began: str
    stage: str
    step: str
    owed: tuple[OwedUndo, ...]


def unended_runs(runs: Path, system: SystemFile | None) -> Iterator[UnendedRun]:
    """Find the drills on this machine that still run, or died and owe an undo, newest first.

    A drill that died counts until a later drill of the same system has ended, because that one found the system in the
    expected state.

    :param runs: the store.
    :param system: the system whose runs count; None: every system except the lab, whose changes end with it.
    :raises BadInput: when the store cannot be read.
    """
    ended: list[Events] = []
    for name in sorted(names_of_runs(runs), reverse=True)[:MOST_RUNS]:
        directory = runs / name
        summary = read_summary(directory)
        if summary.source == DRILL and summary.verdict == "refused":
            continue  # it changed nothing
        events, _ = read_events(directory, still_open=True)
        if not _is_of(system, events):
            continue
        if summary.source == DRILL:
            ended.append(events)
            continue
        found = _unended(directory, events)
        if found and (found.state == "live" or not any(same_system(events, one) for one in ended)):
            yield found


def _is_of(system: SystemFile | None, events: Events) -> bool:
    opened, target = first(events, "drill-opened"), first(events, "target-opened")
    if system is None:
        return bool(opened) and opened.get("target") != "lab"
    same_content = target.get("topology_sha256") == system.sha256
    same_path = text(mapping(opened.get("configuration")).get("topology")) == str(system.path)
    return opened.get("target") == system.target and (same_content or (same_path and system.target != "lab"))


def _unended(directory: Path, events: Events) -> UnendedRun | None:
    opened = first(events, "drill-opened")
    if not opened or first(events, "drill-closed"):
        return None
    is_live = goes_on(directory)
    if not is_live and ((dead := dead_run(directory, events)) is None or not dead.owed):
        return None
    begun = _begun_last(events)
    origin = mapping(opened.get("origin"))
    return UnendedRun(
        run=directory.name,
        state="live" if is_live else "died",
        experiment=text(opened.get("experiment")),
        by="@".join(filter(None, (text(origin.get("operator")), text(origin.get("host"))))),
        began=text(opened.get("at")),
        stage=text(begun.get("phase")),
        step=text(begun.get("activity")) if begun.get("event") == "activity-started" else "",
        owed=owed_undos(events),
    )


def _begun_last(events: Events) -> Mapping[str, Any]:
    activities = (event for event in reversed(events) if event.get("event") in ("activity-started", "activity-ended"))
    return next(activities, {})
