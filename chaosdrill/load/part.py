"""The load as a part of a drilled system: the users that Locust runs on a client host."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from chaosdrill.aws import System
from chaosdrill.client.locust_page import PageGuarded
from chaosdrill.client.locust_rest import LoadGenerator, swarm_form, wait_for
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.load.checks import checks
from chaosdrill.load.load_control import IDLE, stop_and_wait
from chaosdrill.load.test_state import UNPOLLED_S
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

STOPS_WITHIN_S = 60.0  # the default of stop_load

RUNNING_CLASSES = ["<those that Locust was started with>"]
_FOLDER = "answers/"  # below the topology's S3 prefix


class LoadPart(BasePart):
    """The load of the clients."""

    name: ClassVar[str] = "load"
    role: ClassVar[Role] = "client"
    facts: ClassVar[tuple[str, ...]] = ("none", "ours")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (
        UndoRule("start_load", "stop_load"),
        UndoRule("change_load", "stop_load"),
    )
    variables: ClassVar[Mapping[str, VariableRange]] = {
        "users": VariableRange(int, 1, 100_000),
        "spawn_rate": VariableRange(float, 0.01, 10_000),
        "window_s": VariableRange(float, 1, 3600),
    }

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        return host_leftovers(system, scope, self.name, _FOLDER)

    def remove(self, system: System, leftover: Leftover) -> None:
        remove_host_leftover(system, leftover, _FOLDER)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read whether the load that the drill owes still runs; ``none`` where it owes none.

        A Locust of the driver's machine (``client: {run: local}``) ended with the driver. An attached Locust runs one
        test, which is assumed to be the drill's. It ends by itself 900 s after the driver's last poll.

        :returns: one of ``facts``.
        """
        return fact_or_unreadable(lambda: _fact(system, run, owed)) if owed else Fact("none")

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the requests to Locust's web API, after the start of the drill's Locust; a running test is ended."""
        given = step.arguments
        if step.action == "change_load":
            return (_swarm(given, RUNNING_CLASSES),)
        if step.action == "stop_load":
            program = planned_program(system, given, "end the Locust")
            return (PlannedCall("locust", "POST /stop", "", {}), *([program] if program else []))
        program, names = planned_program(system, given, "start a Locust"), list(given["user_classes"] or [])
        chosen = PlannedCall("locust", "POST /chaosdrill/user-classes", "", {"user_classes": names})
        reset = PlannedCall("locust", "POST /stats/reset", "", {})
        return (*([program] if program else []), reset, chosen, _swarm(given, names or RUNNING_CLASSES))

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """Return the one step that stops the load, if the drill owes one."""
        return (_stop(system, run, owed),) if owed else ()

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        return (
            "stop the load on Locust's page (Stop), or end that Locust; where the topology attaches to it (`client: "
            "{url: …}`) start it again without load, and run the rescue again, which reads there that no load runs",
        )


def _swarm(given: Mapping[str, Any], user_classes: Sequence[str]) -> PlannedCall:
    host, run_time_s = given.get("host", ""), given.get("run_time_s")
    form = swarm_form(int(given["users"]), float(given["spawn_rate_per_s"]), user_classes, host, run_time_s)
    return PlannedCall("locust", "POST /swarm", "", form)


def _fact(system: System, run: str, owed: Sequence[OwedUndo]) -> Fact:
    where = system.topology.client.run
    if where == "ssm":
        return _on_host(system, run, owed).fact()
    return Fact("ours" if where == "attach" and _is_running(system) else "none", {"run": where})


def _stop(system: System, run: str, owed: Sequence[OwedUndo]) -> UndoStep:
    where = system.topology.client.run
    if where == "ssm":
        return end_step("load", "end the Locust on the client host", owed, _on_host(system, run, owed))
    if where == "local":
        return unneeded_step("load", CLIENT, "nothing: its Locust ended with the driver", numbers(owed))
    url = system.topology.client.url
    return UndoStep(
        "load",
        CLIENT,
        f"stop the load at {url}",
        numbers(owed),
        lambda: _stop_attached(system),
        lambda: not _is_running(system),
    )


def _on_host(system: System, run: str, owed: Sequence[OwedUndo]) -> ClientProgram:
    return ClientProgram(system, run, "load", owed)


def _is_running(system: System) -> bool:
    return LoadGenerator(system.topology.client.url).state().state not in IDLE


def _stop_attached(system: System) -> Mapping[str, Any]:
    """Stop the load; if its page obeys the dead driver alone, wait until it ends by itself."""
    generator = LoadGenerator(system.topology.client.url)
    try:
        return {"done": True, "state": stop_and_wait(generator, STOPS_WITHIN_S).state}
    except PageGuarded:
        what = f"the load at {generator.url} to end by itself, {UNPOLLED_S:g} s after the driver's last poll"
        within_s = UNPOLLED_S + STOPS_WITHIN_S
        return {"done": True, "state": wait_for(generator.state, lambda load: load.state in IDLE, within_s, what).state}


PART = LoadPart


def part_of(topology: Topology) -> LoadPart:
    """Return the part; every topology has a client host."""
    return LoadPart()
