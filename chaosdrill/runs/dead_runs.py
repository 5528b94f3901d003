"""Drills that died: which runs those are, what of them may still be in force, and how to undo it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.analysis.foreign import mapping, text
from chaosdrill.history.owed import FAULT, HEARTBEAT, LOAD, OwedUndo, owed_undos
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.events import read_events
from chaosdrill.runs.finding import names_of_runs
from chaosdrill.runs.going_on import left_behind
from chaosdrill.runs.summaries import DRILL, read_summary

MOST_RUNS = 50  # so many of the newest are looked through


@dataclass(frozen=True)
class DeadRun:
    """A run whose drill was killed: its history has no end, and nobody writes it.

    :param owed: what it began and has not undone.
    :param target: lab or aws.
    :param region_state: the last one that it recorded, and when (UTC); empty when there is none.
    """

    run: str
    target: str
    owed: tuple[OwedUndo, ...]
    region_state: str = ""
    region_state_at: str = ""

    def in_force(self, now: datetime | None = None) -> list[str]:
        """:returns: a sentence for each thing that may still be in force."""
        return [in_words(one, now or datetime.now(UTC)) for one in self.owed]

    def way_back(self, now: datetime | None = None) -> list[str]:
        """:returns: a command, or what else to do, for each thing that may still be in force, each once."""
        if not self.owed:
            return []
        if self.target == "lab":
            return ["`chaosdrill lab down` ends the lab with everything in it; a drill starts a new one"]
        return list(dict.fromkeys(step for one in self.owed for step in _undo_by_hand(one, now or datetime.now(UTC))))


def dead_runs(runs: Path, like: Sequence[Mapping[str, Any]]) -> Iterator[DeadRun]:
    """Find the drills of a system that died, the newest first, back to the newest one that did not.

    :param runs: the store.
    :param like: the history of a drill on the same system: the lab, or the same topology by its file or its content.
    :raises BadInput: when the store cannot be read.
    """
    for name in sorted(names_of_runs(runs), reverse=True)[:MOST_RUNS]:
        directory = runs / name
        summary = read_summary(directory)
        if summary.source == DRILL and summary.verdict == "refused":
            continue  # it touched nothing
        events, _ = read_events(directory, still_open=True)
        if not _same_system(events, like):
            continue
        if summary.source == DRILL:
            return
        if (dead := dead_run(directory, events)) is not None:
            yield dead


def dead_run(directory: Path, events: Sequence[Mapping[str, Any]]) -> DeadRun | None:
    """:returns: what is known of a run whose drill died; None when it ended, goes on, or is no drill's.

    :param events: its history.
    """
    opened = _first(events, "drill-opened")
    if not opened or _first(events, "drill-closed") or not (directory / HISTORY).exists():
        return None
    with left_behind(directory) as left:
        if not left:
            return None
    state: Mapping[str, Any] = next((one for one in reversed(events) if one.get("event") == "region-state"), {})
    facts = (text(state.get("state")), text(state.get("at")))
    return DeadRun(directory.name, text(opened.get("target")), owed_undos(events), *facts)


def in_words(one: OwedUndo, now: datetime) -> str:
    """:returns: what an owed undo may have left in force, in a sentence."""
    since = f"since {one.began} (step {one.step})"
    left_s = one.left_s(now)
    if one.kind == FAULT and left_s == 0:
        return f"fault {one.action}: ended by itself at {one.ends} (step {one.step})"
    if one.kind == FAULT and left_s is not None:
        return f"fault {one.action} {since}: in force until {one.ends}, {left_s:.0f} s still"
    if one.kind == LOAD:
        return f"load of {one.arguments.get('users', 'unknown')} users {since}: until it is stopped"
    if one.kind == HEARTBEAT:
        return f"heartbeat {since}: ends by itself 15 min after the drill's last call"
    return f"{one.action} {since}: not undone"


def _undo_by_hand(one: OwedUndo, now: datetime) -> Iterator[str]:
    if one.kind == FAULT:
        if one.left_s(now) != 0:
            for region, ids in (one.ids or {}).items():
                options = [shlex.join(["--id", name, "--region", region]) for name in ids]
                yield from (f"`aws fis stop-experiment {one}`" for one in options)
            if not one.ids:
                yield "`aws fis list-experiments` shows whether the fault was started"
    elif one.kind == LOAD:
        yield "stop the load on Locust's page (Stop), or end that Locust"
    elif one.action == "fail_over":
        yield "`chaos run experiments/failback.yaml`, or run the failback state machine as the runbook does"
    elif one.action == "fail_back":
        yield "`chaos run experiments/failover.yaml`, or run the failover state machine as the runbook does"
    elif one.kind != HEARTBEAT:
        yield f"undo {one.action} (step {one.step}) with {one.undo}; `chaosdrill runs show` names its run's history"


def _same_system(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    opened, others = _first(one, "drill-opened"), _first(other, "drill-opened")
    if opened.get("target") != others.get("target"):
        return False
    hashes = [_first(events, "target-opened").get("topology_sha256") for events in (one, other)]
    return _topology(opened) == _topology(others) or (hashes[0] is not None and hashes[0] == hashes[1])


def _topology(opened: Mapping[str, Any]) -> str:
    return text(mapping(opened.get("configuration")).get("topology")) if opened.get("target") == "aws" else ""


def _first(events: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((event for event in events if event.get("event") == name), {})
