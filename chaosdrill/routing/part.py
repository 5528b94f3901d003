"""The routing controls as a part of a drilled system, which direct the domain to a region."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.aws import System, arc, safety_rules
from chaosdrill.aws.active_region import routing_to
from chaosdrill.aws.overrides import with_routing_controls
from chaosdrill.aws.regions import region_named
from chaosdrill.coordination.resources import Resource
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import BasePart, Check, CheckContext, Fact, PlannedCall, PlannedStep, Role, UndoRule
from chaosdrill.routing.checks import checks
from chaosdrill.topology import Topology


class RoutingPart(BasePart):
    """The routing control of each region."""

    name: ClassVar[str] = "routing"
    role: ClassVar[Role] = "routing"
    facts: ClassVar[tuple[str, ...]] = ("home", "standby", "both", "none")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (UndoRule("set_routing", "set_routing"),)

    def resources(self, topology: Topology) -> Sequence[Resource]:
        arns = topology.routing.controls.values()  # …:controlpanel/PANEL/routingcontrol/CONTROL
        panels = dict.fromkeys(arn.partition(":controlpanel/")[2].partition("/")[0] for arn in arns)
        return tuple(Resource("control-panel", panel) for panel in panels)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read to which regions the domain is directed, from any cluster endpoint that responds.

        :returns: one of ``facts``; details: ``{region: On or Off}``.
        """
        return fact_or_unreadable(lambda: _fact(system))

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the one write of ``set_routing``; its region is that of the first cluster endpoint."""
        given = step.arguments
        at_controls = with_routing_controls(system, given["routing_controls"])
        states = routing_to(at_controls, region_named(system, given["region"]))
        override = safety_rules.arns_of(at_controls, given["override_safety_rules"] or [])
        first = system.topology.routing.cluster_endpoints[0].region
        parameters = arc.routing_update(at_controls, states, override)
        note = "through whichever cluster endpoint responds"
        return (PlannedCall("route53-recovery-cluster", "UpdateRoutingControlStates", first, parameters, note),)

    def route_to(self, system: System, region: str) -> None:
        """Direct the domain to a region and to no other. Repeating it does no harm.

        :raises Refused: when a safety rule forbids it.
        :raises DrillError: when no cluster endpoint responds.
        """
        states = routing_to(system, region)
        if arc.routing_states(system, arc.ROUNDS) != states:
            arc.write_routing_states(system, states)


def _fact(system: System) -> Fact:
    states, regions = arc.routing_states(system, arc.ROUNDS), system.topology.regions
    are_on = (states[regions.home] == "On", states[regions.standby] == "On")
    names = {(True, False): "home", (False, True): "standby", (True, True): "both"}
    return Fact(names.get(are_on, "none"), states)


PART = RoutingPart


def part_of(topology: Topology) -> RoutingPart:
    """Return the part; every topology has it."""
    return RoutingPart()
