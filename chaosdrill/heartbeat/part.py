"""The heartbeat as a part of a drilled system: the program on a client host that measures service."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from chaosdrill.aws import System
from chaosdrill.coordination.resources import Resource
from chaosdrill.heartbeat.checks import checks
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.client_programs import ClientProgram, end_step, numbers, planned_program
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.host_leftovers import host_leftovers, remove_host_leftover
from chaosdrill.parts.interface import (
    CLIENT,
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
    UndoStep,
    VariableRange,
    unneeded_step,
)
from chaosdrill.topology import Topology

_FOLDER = "once/"  # below the topology's S3 prefix


class HeartbeatPart(BasePart):
    """The heartbeat."""

    name: ClassVar[str] = "heartbeat"
    role: ClassVar[Role] = "client"
    facts: ClassVar[tuple[str, ...]] = ("none", "ours")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (UndoRule("start_heartbeat", "stop_heartbeat"),)
    variables: ClassVar[Mapping[str, VariableRange]] = {
        "heartbeat_rate": VariableRange(float, 0.1, 1000, has_default=True),
        "read_back_s": VariableRange(float, 1, 3600),
    }

    def resources(self, topology: Topology) -> Sequence[Resource]:
        accounts = topology.heartbeat.accounts if topology.heartbeat is not None else None
        return () if accounts is None else (Resource("accounts", accounts.prefix),)

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        return host_leftovers(system, scope, self.name, _FOLDER)

    def remove(self, system: System, leftover: Leftover) -> None:
        remove_host_leftover(system, leftover, _FOLDER)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read whether the heartbeat that the drill owes still runs; ``none`` where it owes none.

        A heartbeat of the driver's machine (``heartbeat: {run: local}``) ended with the driver.

        :returns: one of ``facts``.
        """
        if not owed or not _is_on_host(system):
            return Fact("none")
        return fact_or_unreadable(lambda: _on_host(system, run, owed).fact())

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the request that starts or ends the program, without the program's own beats."""
        what = "start a heartbeat" if step.action == "start_heartbeat" else "end the heartbeat"
        program = planned_program(system, step.arguments, what)
        return (program or PlannedCall("process", what, "", {}, "on this machine"),)

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """Return the one step that ends the heartbeat, if the drill owes one."""
        if not owed:
            return ()
        if not _is_on_host(system):
            return (unneeded_step("heartbeat", CLIENT, "nothing: it ended with the driver", numbers(owed)),)
        return (end_step("heartbeat", "end the heartbeat on the client host", owed, _on_host(system, run, owed)),)

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        return ()  # it ends by itself


def _is_on_host(system: System) -> bool:
    return system.topology.heartbeat is not None and system.topology.heartbeat.run == "ssm"


def _on_host(system: System, run: str, owed: Sequence[OwedUndo]) -> ClientProgram:
    return ClientProgram(system, run, "heartbeat", owed)


PART = HeartbeatPart


def part_of(topology: Topology) -> HeartbeatPart | None:
    """Return the part, where the topology has a heartbeat."""
    return HeartbeatPart() if topology.heartbeat is not None else None
