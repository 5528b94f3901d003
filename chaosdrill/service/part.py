"""ECS services as a part of a drilled system: the capacity that serves in a region."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.aws import System
from chaosdrill.aws.regions import region_named
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import (
    BasePart,
    Check,
    CheckContext,
    Fact,
    PlannedCall,
    PlannedStep,
    Role,
    UndoRule,
    UndoStep,
)
from chaosdrill.service import rescue
from chaosdrill.service.checks import checks
from chaosdrill.service.ecs import Service, count_update, counts
from chaosdrill.topology import Topology


class ServicePart(BasePart):
    """The ECS services that an experiment names."""

    name: ClassVar[str] = rescue.PART
    role: ClassVar[Role] = "capacity"
    facts: ClassVar[tuple[str, ...]] = ("as-before", "lowered", "raised")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (UndoRule("set_desired_count", "restore_desired_count"),)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Compare the desired counts of the services that the drill changed with those before.

        :returns: one of ``facts``; ``lowered`` if at least one service is lower. Details: ``{desired:
            {region/cluster/service: count now}}``.
        """
        return fact_or_unreadable(lambda: rescue.capacity_fact(system, owed))

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the writes of a desired count; a restoring step writes those of the services that earlier steps set."""
        given = step.arguments
        if step.action == "set_desired_count":
            named = Service(region_named(system, given["region"]), given["cluster"], given["service"])
            return (_count_set(named, int(given["count"])),)
        only = region_named(system, given["region"]) if given["region"] else None
        set_before = dict.fromkeys(
            Service(call.region, call.parameters["cluster"], call.parameters["service"])
            for call in earlier
            if call.operation == "UpdateService" and only in (None, call.region)
        )
        return tuple(_count_set(service, counts(system, service).desired) for service in set_before)

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """List the steps that restore the desired count of each service to that before the drill."""
        return tuple(rescue.undo_steps(system, owed, fact))


def _count_set(service: Service, count: int) -> PlannedCall:
    return PlannedCall("ecs", "UpdateService", service.region, count_update(service, count))


PART = ServicePart


def part_of(topology: Topology) -> ServicePart:
    """Return the part; an experiment may name a service of any system."""
    return ServicePart()
