"""The stop flags as a part of a drilled system: the gate that allows a region to serve."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.aws import System, dynamodb
from chaosdrill.aws.active_region import flags_of
from chaosdrill.aws.overrides import with_flag_table
from chaosdrill.aws.regions import region_named
from chaosdrill.coordination.resources import Resource
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import (
    BasePart,
    Check,
    CheckContext,
    Fact,
    Leftover,
    PlannedCall,
    PlannedStep,
    Role,
    SweepScope,
    UndoRule,
)
from chaosdrill.stop_flag.checks import checks
from chaosdrill.topology import Topology


class StopFlagPart(BasePart):
    """The stop flag of each region."""

    name: ClassVar[str] = "stop_flag"
    role: ClassVar[Role] = "gate"
    facts: ClassVar[tuple[str, ...]] = ("home-open", "standby-open", "both-open", "closed")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (UndoRule("set_stop_flag", "set_stop_flag"),)

    def resources(self, topology: Topology) -> Sequence[Resource]:
        return tuple(Resource("table", f"{region}/{name}") for region, name in topology.stop_flag.tables.items())

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read which regions are open.

        :returns: one of ``facts``; ``closed``: every region is; details: ``{region: whether it is closed}``.
        """
        return fact_or_unreadable(lambda: _fact(system))

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        """List half-switched regions while no drill is live: both are open, or both are closed."""
        if scope.live_runs:
            return
        fact = _fact(system)
        if fact.value in ("both-open", "closed"):
            ids = "/".join(fact.details)
            what = "both regions are open" if fact.value == "both-open" else "both regions are closed"
            by_hand = "open the region of the database's writer and close the other, as the runbook does"
            yield Leftover(self.name, "half-switched", ids, "", what, by_hand, is_removable=False)

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the one write of ``set_stop_flag``."""
        wanted = dynamodb.flag_values(value=str(step.arguments["value"]), expected=step.arguments["expected"])
        value, expected = bool(wanted["value"]), wanted["expected"]
        region = region_named(system, step.arguments["region"])
        at_table = with_flag_table(system, region, step.arguments["table"])
        parameters = dynamodb.stop_flag_update(at_table, region, value, not value if expected is None else expected)
        return (PlannedCall("dynamodb", "UpdateItem", region, parameters),)

    def set_open(self, system: System, region: str, is_open: bool) -> None:
        """Open or close the application in a region. Repeating it does no harm.

        :raises DrillError: when the flag cannot be read, or was not written.
        """
        if dynamodb.stop_flag(system, region) is is_open:  # a stop flag is true where the application is closed
            dynamodb.write_stop_flag(system, region, value=not is_open, expected=is_open)


def _fact(system: System) -> Fact:
    closed, regions = flags_of(system), system.topology.regions
    are_open = (not closed[regions.home], not closed[regions.standby])
    names = {(True, False): "home-open", (False, True): "standby-open", (True, True): "both-open"}
    return Fact(names.get(are_open, "closed"), closed)


PART = StopFlagPart


def part_of(topology: Topology) -> StopFlagPart:
    """Return the part; every topology has it."""
    return StopFlagPart()
