"""Faults and loads that a dead drill has left in force, verified at the system before the next drill changes it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import fis, system_of
from chaosdrill.client.load_generator import load_generator
from chaosdrill.errors import DrillError, Refused
from chaosdrill.history.owed_undos import FAULT, LOAD, OwedUndo
from chaosdrill.messages import Sentence, sentence, together
from chaosdrill.runs.dead_runs import DeadRun, dead_runs

_AT_REST = ("ready", "stopped")  # states of Locust without a load


def refuse_beside_dead_run(
    runs: Path, events: Sequence[Mapping[str, Any]], configuration: Mapping[str, Any], secrets: Any, state: str
) -> None:
    """Refuse to start while a fault or a load of a dead drill is in force.

    :param runs: the store.
    :param events: the events of the starting drill so far.
    :param state: the present region state.
    :raises Refused: naming the run, what is in force, and how to reverse it.
    """
    for dead in dead_runs(runs, events):
        found = [why for one in dead.owed if (why := _in_force(dead, one, configuration, secrets))]
        if found:
            raise Refused(together([_about(dead, state), *found, *_way_back(dead)]), code="left-in-force")


def notes_about_dead_runs(runs: Path, events: Sequence[Mapping[str, Any]], state: str) -> list[Sentence]:
    """Return what the dead drills of this machine began and did not undo, and how to reverse it, for a refusal."""
    found = [dead for dead in dead_runs(runs, events) if dead.owed]
    return [
        line
        for dead in found
        for line in (_about(dead, state), *(_as_left(text) for text in dead.in_force()), *_way_back(dead))
    ]


def _about(dead: DeadRun, state: str) -> Sentence:
    return sentence("the drill {run} died and has not undone what it began; now: {state}", run=dead.run, state=state)


def _as_left(text: str) -> Sentence:
    return sentence("left by it: {what}", what=text)


def _way_back(dead: DeadRun) -> Iterator[Sentence]:
    for step in dead.way_back():
        yield sentence("the way back: {step}", step=step)


def _in_force(dead: DeadRun, one: OwedUndo, configuration: Mapping[str, Any], secrets: Any) -> Sentence | None:
    """Return what is in force of an owed undo, by the system itself; None for nothing, or neither a fault nor a
    load.
    """
    if one.kind == FAULT:
        return _fault(dead, one, configuration, secrets)
    return _load(one, configuration, secrets) if one.kind == LOAD else None


def _fault(dead: DeadRun, one: OwedUndo, configuration: Mapping[str, Any], secrets: Any) -> Sentence | None:
    system = system_of(configuration, secrets)
    regions = list(one.ids or {}) or [system.topology.client.region, *system.topology.region_names]
    try:
        active = {
            found.id: found
            for region in dict.fromkeys(regions)
            for found in fis.of_run(system, dead.run, region)
            if found.active
        }
    except (DrillError, ClientError, BotoCoreError) as error:
        if one.left_s(_now()) == 0:
            return None
        return sentence(
            "fault {action}: it could not be verified at FIS ({why}), and ends by itself at {ends}",
            action=one.action,
            why=str(error),
            ends=one.ends,
        )
    if not active:
        return None
    ids = [f"{found.id} ({found.region}, {found.state})" for found in active.values()]
    left_s = round(one.left_s(_now()) or 0)
    return sentence(
        "fault {action} is in force, for {left_s} s still: FIS experiments {ids}",
        action=one.action,
        left_s=left_s,
        ids=ids,
    )


def _load(one: OwedUndo, configuration: Mapping[str, Any], secrets: Any) -> Sentence | None:
    try:
        generator = load_generator(configuration, secrets)
        load = generator.state()
    except (DrillError, ClientError, BotoCoreError):
        return None  # no load generator responds there: where the drill needs one, starting the load reports why
    if load.state in _AT_REST:
        return None
    return sentence(
        "load of {users} users is in force at {url} (step {step})",
        users=load.user_count,
        url=generator.url,
        step=one.step,
    )


def _now() -> datetime:
    return datetime.now(UTC)
