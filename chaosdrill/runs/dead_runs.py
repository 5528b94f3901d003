"""Drills that died: which runs those are, what may still be in effect, and how to undo it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.history.owed_undos import FAULT, HEARTBEAT, LOAD, OwedUndo, owed_undos
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.runs.events import read_events
from chaosdrill.runs.liveness import lock_dead_run
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.runs.summaries import DRILL, read_summary

MOST_RUNS = 50  # how many of the newest runs are searched


@dataclass(frozen=True)
class DeadRun:
    """A run whose drill was killed: its history has no end, and no process writes it.

    :param owed: the undos that it owes.
    :param target: lab or aws.
    :param region_state: the last recorded region state; ``region_state_at``: its time (UTC). Empty when there is none.
    """

    run: str
    target: str
    owed: tuple[OwedUndo, ...]
    region_state: str = ""
    region_state_at: str = ""

    def in_force(self, now: datetime | None = None) -> list[str]:
        """Return a sentence for each change that may still be in effect."""
        return [in_words(one, now or datetime.now(UTC)) for one in self.owed]

    def way_back(self, now: datetime | None = None) -> list[str]:
        """Return a command, or another instruction, for each change that may still be in effect, each once."""
        if not self.owed:
            return []
        if self.target == "lab":
            return ["`chaosdrill lab down` ends the lab with everything in it; a drill starts a new one"]
        by_hand = (step for one in self.owed for step in _undo_by_hand(one, now or datetime.now(UTC)))
        return list(dict.fromkeys((f"`{shlex.join(['chaosdrill', 'rescue', self.run])}` undoes it", *by_hand)))


def dead_runs(runs: Path, like: Sequence[Mapping[str, Any]]) -> Iterator[DeadRun]:
    """Find the drills of a system that died, newest first, back to the newest one that did not.

    :param runs: the store.
    :param like: the history of a drill on the same system: the lab, or the same topology by path or content.
    :raises BadInput: when the store cannot be read.
    """
    for name in sorted(names_of_runs(runs), reverse=True)[:MOST_RUNS]:
        directory = runs / name
        summary = read_summary(directory)
        if summary.source == DRILL and summary.verdict == "refused":
            continue  # it changed nothing
        events, _ = read_events(directory, still_open=True)
        if not same_system(events, like):
            continue
        if summary.source == DRILL:
            return
        if (dead := dead_run(directory, events)) is not None:
            yield dead


def dead_run(directory: Path, events: Sequence[Mapping[str, Any]]) -> DeadRun | None:
    """Return a run whose drill died; None when the drill ended, still runs, or the run is not a drill's.

    :param events: its history.
    """
    opened = first(events, "drill-opened")
    if not opened or first(events, "drill-closed") or not (directory / HISTORY).exists():
        return None
    with lock_dead_run(directory) as left:
        if not left:
            return None
    state: Mapping[str, Any] = next((one for one in reversed(events) if one.get("event") == "region-state"), {})
    facts = (text(state.get("state")), text(state.get("at")))
    return DeadRun(directory.name, text(opened.get("target")), owed_undos(events), *facts)


def in_words(one: OwedUndo, now: datetime) -> str:
    """Return what an owed undo may have left in effect, in a sentence."""
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


def _undo_by_hand(one: OwedUndo, now: datetime) -> Sequence[str]:
    """Return the commands of the part that has the action; for a part that is not installed, the name of the undo."""
    from chaosdrill.parts.interface import BasePart  # loads the AWS client
    from chaosdrill.parts.registry import part_of_action

    return (part_of_action(one.action) or BasePart()).undo_by_hand(one, now)


def same_system(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether two histories are of drills on the same system: the lab, or the same topology."""
    opened, others = first(one, "drill-opened"), first(other, "drill-opened")
    if opened.get("target") != others.get("target"):
        return False
    hashes = [first(events, "target-opened").get("topology_sha256") for events in (one, other)]
    return _topology(opened) == _topology(others) or (hashes[0] is not None and hashes[0] == hashes[1])


def _topology(opened: Mapping[str, Any]) -> str:
    return text(mapping(opened.get("configuration")).get("topology")) if opened.get("target") == "aws" else ""


def first(events: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the first event of a name; an empty one when there is none."""
    return next((event for event in events if event.get("event") == name), {})
