"""Rescue of the desired counts of ECS services: reading and restoring them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaosdrill.aws import System
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.interface import LOWER_CAPACITY, RAISE_CAPACITY, Fact, UndoStep, unneeded_step
from chaosdrill.service.ecs import Service, counts, set_desired, wait_until_running

PART = "service"
FOLLOWS_WITHIN_S = 600.0  # the default of restore_desired_count


@dataclass(frozen=True)
class Changed:
    """A service whose desired count the drill set.

    :param count: the desired count before the drill.
    :param pays: numbers of the owed undos that are paid when it has that count.
    """

    service: Service
    count: int
    pays: tuple[int, ...]

    @property
    def resource(self) -> str:
        """Its name in ``Fact.each``."""
        return f"{self.service.region}/{self.service.cluster}/{self.service.name}"


def changed_services(owed: Sequence[OwedUndo]) -> list[Changed]:
    """List the services that owed undos name; the first change of a service has its count before the drill.

    An undo without recorded arguments has changed nothing: they are recorded before the change.
    """
    found: dict[Service, Changed] = {}
    for undo in sorted(owed, key=lambda one: one.number):
        if not isinstance(before := undo.before.get("arguments"), Mapping):
            continue
        service = Service(str(before["region"]), str(before["cluster"]), str(before["service"]))
        first = found.get(service)
        count, pays = (int(before["count"]), ()) if first is None else (first.count, first.pays)
        found[service] = Changed(service, count, (*pays, undo.number))
    return list(found.values())


def capacity_fact(system: System, owed: Sequence[OwedUndo]) -> Fact:
    """Compare the desired count of each service that the drill changed with that before."""
    each, desired = {}, {}
    for changed in changed_services(owed):
        now = counts(system, changed.service).desired
        each[changed.resource], desired[changed.resource] = _value(now, changed.count), now
    worst = next((value for value in ("lowered", "raised") if value in each.values()), "as-before")
    return Fact(worst, {"desired": desired}, each)


def _value(now: int, before: int) -> str:
    return "as-before" if now == before else "lowered" if now < before else "raised"


def undo_steps(system: System, owed: Sequence[OwedUndo], fact: Fact) -> Iterator[UndoStep]:
    """List the steps that restore the desired counts."""
    if unchanged := tuple(undo.number for undo in owed if not undo.before.get("arguments")):
        yield unneeded_step(PART, RAISE_CAPACITY, "nothing: no desired count was set", unchanged)
    for changed in changed_services(owed):
        service = changed.service
        yield UndoStep(
            PART,
            LOWER_CAPACITY if fact.each.get(changed.resource) == "raised" else RAISE_CAPACITY,
            f"set the desired count of {service.name} ({service.cluster}, {service.region}) to {changed.count}",
            changed.pays,
            partial(_restore, system, changed),
            partial(_is_restored, system, changed),
            changed.resource,
        )


def _is_restored(system: System, changed: Changed) -> bool:
    return counts(system, changed.service).desired == changed.count


def _restore(system: System, changed: Changed) -> Mapping[str, Any]:
    was = counts(system, changed.service).desired
    if was != changed.count:
        set_desired(system, changed.service, changed.count)
    wait_until_running(system, changed.service, changed.count, FOLLOWS_WITHIN_S)
    return {"done": was != changed.count, "was": was, "is": changed.count}
