"""Handing over: a drill that leaves the system in the other region on purpose passes its undos to a named successor.

The control's arguments of such a drill::

    end: serving(ap-northeast-3)
    hand_over: {to: failback, within_days: 14}

The drill is judged against ``end``. The undos that it still owes for parts that stay changed are accepted only by a
drill of the experiment ``to``, which pays them if it ends as it declares. After the date, ``chaosdrill status`` shows
an alert. Undos that are not handed over refuse every later drill.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.controls.activities import has_variable
from chaosdrill.controls.context import DrillContext
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.interface import RecordedUndo
from chaosdrill.errors import problem
from chaosdrill.history.owed_undos import (
    ACCEPTED,
    HANDED_OVER,
    PAID_FOR_OTHERS,
    PLACEMENT,
    OwedUndo,
    ends_at_home,
    owed_undos,
)
from chaosdrill.parts.registry import parts_of

logger = logging.getLogger("chaostoolkit")

KEYS = ("to", "within_days")
LONGEST_DAYS = 366.0
# roles of parts that stay changed on purpose; faults and clients never do
KEPT_ROLES = (*PLACEMENT, "trigger", "capacity")
NOT_HANDED_OVER = "hand-over-failed"
_ENDINGS = (".yaml", ".yml", ".json")
_NAME = re.compile(r"[^\s/\\]+")
_SERVING = re.compile(r"serving\(.+\)")

Event = Mapping[str, Any]


def problems_of_hand_over(hand_over: Any, expect: Any, end: Any, experiment: str = "") -> list[str]:
    """Return every problem in the control's argument ``hand_over``, variables resolved; a value with ``${`` is not
    checked.

    :param expect: that argument: the state in which the drill begins.
    :param end: that argument.
    :param experiment: the name of the experiment.
    """
    if hand_over is None:
        return []
    if not isinstance(hand_over, Mapping):
        why = f"hand_over: {hand_over!r}: write a mapping, such as {{to: failback, within_days: 14}}"
        return [problem("hand-over-invalid", why)]
    found = list(_of_values(hand_over))
    if experiment and hand_over.get("to") == experiment:
        found.append(f"to: {experiment} is this experiment: name the one that leads back, such as failback")
    if not has_variable(end) and not (isinstance(end, str) and _SERVING.fullmatch(end) and end != expect):
        found.append("end: must name the region in which the system is left, another one than `expect`")
    return [problem("hand-over-invalid", f"hand_over: {text}") for text in found]


def _of_values(hand_over: Mapping[str, Any]) -> Iterator[str]:
    for name in (name for name in hand_over if name not in KEYS):
        yield f"{name}: no experiment has that name; choose from: {', '.join(KEYS)}"
    to, within_days = hand_over.get("to"), hand_over.get("within_days")
    if not has_variable(to) and not (isinstance(to, str) and _NAME.fullmatch(to) and not to.endswith(_ENDINGS)):
        yield f"to: {to!r}: write the name of the experiment that leads back: its file's, without folder and ending"
    if not has_variable(within_days) and _days(within_days) is None:
        yield f"within_days: {within_days!r}: must be a number of days above 0, at most {LONGEST_DAYS:g}"


def _days(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if not isinstance(value, bool) and 0 < number <= LONGEST_DAYS else None


def hand_over_undos(drill: DrillContext) -> None:
    """Hand over the undos that the drill still owes, if it declares that and has ended in the declared state.

    An undo that cannot be handed over stays owed, and refuses every later drill.
    """
    if not drill.arguments.hand_over or not _holds_lease(drill) or not _ended_as_declared(drill.record.events):
        return
    to, within_days = str(drill.arguments.hand_over["to"]), _days(drill.arguments.hand_over["within_days"]) or 0.0
    until = f"{datetime.now(UTC) + timedelta(days=within_days):%Y-%m-%d}"
    coordination = coordination_of(drill.system)
    for undo in _kept(drill.record.events):
        facts = {"step": undo.step, "number": undo.number, "undo": undo.undo, "to": to, "until": until}
        try:
            coordination.hand_over(_run(), undo.number, to, until)
        except FAILURES as error:
            logger.warning(f"{undo.undo} for {undo.step} was not handed over to {to}, and stays owed: {error}")
            drill.record.note(NOT_HANDED_OVER, **facts, why=str(error))
        else:
            logger.warning(f"{undo.undo} for {undo.step} is handed over to the experiment {to}, until {until}")
            drill.record.note(HANDED_OVER, **facts)


def note_accepted(drill: DrillContext, accepted: Sequence[RecordedUndo]) -> None:
    """Record the undos that earlier drills have handed over to this one, which its lease accepts."""
    for one in accepted:
        facts = {name: getattr(one.undo, name) for name in ("step", "undo", "part", "role")}
        drill.record.note(ACCEPTED, run=one.run, number=one.number, until=one.until, **facts)


def pay_accepted_undos(drill: DrillContext) -> None:
    """Pay the undos that earlier drills have handed over to this one, as far as their changes were reversed.

    Those of the parts that decide which region serves count as reversed when the drill ended in the state that it
    declares and that is home; the other parts read whether their change is reversed. An undo that cannot be checked
    stays owed.
    """
    if not any(row["event"] == ACCEPTED for row in drill.record.events) or not _holds_lease(drill):
        return
    system = drill.system
    coordination = coordination_of(system)
    accepted = {(row["run"], row["number"]) for row in drill.record.events if row["event"] == ACCEPTED}
    for run in sorted({run for run, _ in accepted}):
        try:
            owed = [one for one in coordination.read_run(run).owed if (run, one.number) in accepted]
            for one in sorted(owed, key=lambda one: one.number, reverse=True):  # as `PublishedUndos.pay`
                if _is_reversed(system, one, drill.record.events):
                    coordination.pay(run, one.number, _run())
                    facts = {"undo": one.undo.undo, "part": one.undo.part, "step": one.undo.step}
                    drill.record.note(PAID_FOR_OTHERS, run=run, number=one.number, **facts)
        except FAILURES as error:
            logger.warning(f"what run {run} has handed over to this drill stays owed: {error}")


def _is_reversed(system: System, one: RecordedUndo, events: Sequence[Event]) -> bool:
    if one.undo.role in PLACEMENT:
        return _ended_as_declared(events) and ends_at_home(events)
    part = next((part for part in parts_of(system.topology) if part.name == one.undo.part), None)
    if part is None:
        return False
    steps = part.undo_steps(system, one.run, [one.undo], part.fact(system, one.run, [one.undo]))
    return all(step.is_done() for step in steps)


def _kept(events: Sequence[Event]) -> list[OwedUndo]:
    return [undo for undo in owed_undos(events) if undo.role in KEPT_ROLES]


def _ended_as_declared(events: Sequence[Event]) -> bool:
    ends = [row for row in events if row["event"] == "end-state"]
    return bool(ends) and ends[-1]["state"] == ends[-1]["expected"]


def _holds_lease(drill: DrillContext) -> bool:
    names = {row["event"] for row in drill.record.events}
    return "lease-taken" in names and "lease-lost" not in names and not history.target_lost()


def _run() -> str:
    return history.run_id()
