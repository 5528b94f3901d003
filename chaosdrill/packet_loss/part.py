"""The faults as a part of a drilled system: FIS experiments on the client host, the subnets and the main table."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.coordination.resources import Resource
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.packet_loss import evidence, leftovers, planned_calls, rescue
from chaosdrill.packet_loss.checks import checks
from chaosdrill.packet_loss.stop_conditions import stop_conditions
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
    StopCondition,
    SweepScope,
    UndoRule,
    UndoStep,
    VariableRange,
)
from chaosdrill.topology import Topology


def _duration_s(default: float) -> Callable[[Mapping[str, Any]], float | None]:
    """Return a function that reads the duration of a fault from its arguments, in seconds; None: it cannot be read."""

    def lasts_s(arguments: Mapping[str, Any]) -> float | None:
        try:
            return float(arguments.get("duration_s", default))
        except (TypeError, ValueError, OverflowError):
            return None

    return lasts_s


class PacketLossPart(BasePart):
    """Packet loss on the client host, the isolation of a region, and paused replication."""

    name: ClassVar[str] = rescue.PART
    role: ClassVar[Role] = "fault"
    facts: ClassVar[tuple[str, ...]] = ("none", "ours", "foreign")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (
        UndoRule("inject_packet_loss", "heal_packet_loss", _duration_s(1800.0)),
        UndoRule("isolate_region", "heal_packet_loss", _duration_s(1200.0)),
        UndoRule("pause_replication", "heal_packet_loss", _duration_s(1200.0)),
    )

    variables: ClassVar[Mapping[str, VariableRange]] = {
        "loss_percent": VariableRange(int, 1, 100),
        "fault_duration_s": VariableRange(int, 1, 43_200),
    }
    cuts_off: ClassVar[frozenset[str]] = frozenset({"isolate_region"})

    def resources(self, topology: Topology) -> Sequence[Resource]:
        return (Resource("host", f"{topology.client.region}/{topology.client.instance_id}"),)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def stop_conditions(self, context: CheckContext) -> Iterable[StopCondition]:
        return stop_conditions(context)

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the requests to FIS; the documents' commands on the client host are FIS's own."""
        return planned_calls.planned_calls(system, step, earlier)

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        return leftovers.leftovers(system, scope)

    def remove(self, system: System, leftover: Leftover) -> None:
        leftovers.remove(system, leftover)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read which faults are in force in the regions of the system.

        :returns: one of ``facts``. ``ours``: one that the run started, also beside others; ``foreign``: another one on
            the client host, on a subnet of the application or on the main table. Details: ``{experiments: [{id, region,
            state}]}``.
        """
        return fact_or_unreadable(lambda: rescue.fault_fact(system, run, owed))

    def note_end(self, system: System, configuration: Mapping[str, Any]) -> None:
        """Record the load generator's clock and the drop counter, if a fault was healed."""
        drill = history.current()
        if drill is not None and drill.history.events(evidence.HEALED):
            evidence.note(system, configuration, evidence.AFTER)

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """Return the one step that ends all faults of the run."""
        return rescue.undo_steps(system, run, owed)

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        if owed.left_s(now) == 0:
            return ()
        if not owed.ids:
            return ("`aws fis list-experiments` shows whether the fault was started",)
        options = [
            shlex.join(["--id", name, "--region", region]) for region, names in owed.ids.items() for name in names
        ]
        return [f"`aws fis stop-experiment {one}`" for one in options]


PART = PacketLossPart


def part_of(topology: Topology) -> PacketLossPart:
    """Return the part; every topology has a client host."""
    return PacketLossPart()
