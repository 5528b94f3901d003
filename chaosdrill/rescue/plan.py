"""The plan of a rescue: the steps of the decision for the present facts. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chaosdrill.parts.interface import CLIENT, HEAL, LOWER_CAPACITY, RAISE_CAPACITY, TRIGGER_BACK, TRIGGER_OFF
from chaosdrill.rescue.decisions import ROWS, Kind, RescueRequest, RescueStep, Row
from chaosdrill.rescue.facts import Facts


@dataclass(frozen=True)
class RescuePlan:
    """The steps of one round of a rescue.

    :param steps: in the order in which they are made.
    :param continues: whether the facts are read again afterwards, for the next plan.
    :param by_person: what a person must do; empty when there is nothing, or when the rescue continues.
    """

    row: Row
    steps: tuple[RescueStep, ...]
    continues: bool
    by_person: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is owed any more after the steps have succeeded."""
        return not self.continues and not self.by_person


def plan(facts: Facts, request: RescueRequest, tried: Sequence[str] = ()) -> RescuePlan:
    """Decide what to do next.

    :param tried: the names of the rows that rescues of this run have carried out before, with repetitions. It must
        outlive the process: a timer that rescues each minute must not start a failing failback each minute.
    """
    row = next(row for row in ROWS if row.matches(facts, request))
    goes_on = row.kind in ("wait", "change") and tried.count(row.name) < row.tries
    kind = row.kind if goes_on or row.kind in ("stay", "complete") else "leave"
    steps = sorted(_steps(kind, row, facts, request), key=lambda step: step.order)
    return RescuePlan(row, tuple(steps), goes_on, () if goes_on else _by_person(row, facts))


def _steps(kind: Kind, row: Row, facts: Facts, request: RescueRequest) -> Iterator[RescueStep]:
    yield from _for_each(facts.faults, {"ours"}, RescueStep(HEAL, "fault", "heal"))
    if kind in ("wait", "change"):
        yield from row.steps(facts, request)
    if kind in ("stay", "change", "complete"):
        to_be_off = {"on", "on-owed"} if kind == "change" else {"on-owed"}
        off = RescueStep(TRIGGER_OFF, "trigger", "switch-off", is_needed=kind == "change")
        yield from _for_each(facts.triggers, to_be_off, off)
        yield from _for_each(facts.capacities, {"lowered"}, RescueStep(RAISE_CAPACITY, "capacity", "restore"))
    if kind == "complete":
        yield from _for_each(facts.capacities, {"raised"}, RescueStep(LOWER_CAPACITY, "capacity", "restore"))
        yield from _for_each(facts.triggers, {"off-owed"}, RescueStep(TRIGGER_BACK, "trigger", "switch-on"))
    if kind in ("leave", "stay", "complete"):
        yield from _for_each(facts.clients, {"ours"}, RescueStep(CLIENT, "client", "stop"))


def _for_each(parts: Mapping[str, str], values: Collection[str], step: RescueStep) -> Iterator[RescueStep]:
    return (replace(step, part=part) for part, value in parts.items() if value in values)


def _by_person(row: Row, facts: Facts) -> tuple[str, ...]:
    unreadable = [
        f"{part} cannot be read: check whether the drill's change is still in force, and undo it"
        for part in facts.unreadable_parts()
    ]
    return tuple(text for text in (row.by_person, *unreadable) if text)
