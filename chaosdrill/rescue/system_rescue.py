"""The rescue of a system: every run that owes an undo is rescued, reversed changes are paid, and the end state is
read.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaosdrill.aws import System
from chaosdrill.aws.polling import poll_until
from chaosdrill.coordination.interface import Coordination, Lease, SystemState
from chaosdrill.errors import DrillError
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.registry import lease_keys, parts_of
from chaosdrill.rescue.decisions import RescueStep
from chaosdrill.rescue.execute import RescueResult, facts_of, read_facts, rescue_system
from chaosdrill.rescue.facts import Facts, Region
from chaosdrill.rescue.owing_runs import NOTE, OwingRun, goal_of, noted, owed_of, owing_runs
from chaosdrill.rescue.plan import RescuePlan
from chaosdrill.rescue.status import RegionStatus, region_status

FOLLOWS_WITHIN_S = 90.0  # time for clients' resolvers: the TTL of the domain, and the health checks behind it
CHANGED = "the system changed while it was rescued: run the rescue again"


@dataclass(frozen=True)
class RunRescue:
    """The rescue of one run.

    :param goal: the region that should serve.
    :param is_proven: whether the parts, read again at the end, confirm the result.
    """

    run: str
    goal: Region
    result: RescueResult
    is_proven: bool

    @property
    def last(self) -> RescuePlan:
        """The last plan."""
        return self.result.rounds[-1].plan

    @property
    def by_person(self) -> tuple[str, ...]:
        """What a person must do; empty when nothing."""
        return self.last.by_person if self.is_proven else (CHANGED,)


class RescueProgress:
    """Receives the progress of a rescue.

    ``step``: the present step, for people who read the rescue's lease.
    """

    step = ""

    def on_wait(self, left_s: float) -> None:
        """Receive the seconds for which a rescue still waits until it may take the lease."""

    def on_plan(self, run: str, plan: RescuePlan) -> None:
        """Receive each plan before its first step."""

    def on_step(self, step: RescueStep, number: int, many: int) -> None:
        """Receive each step before it is made, with its number in its plan."""

    def on_warning(self, text: str) -> None:
        """Receive a warning that the lease is no longer reliable."""


@dataclass
class SystemRescue:
    """A rescue that is carried out under a lease.

    :param lease: the rescue's own.
    :param data_loss: the word ``allowed`` when a database may be promoted with a loss of writes.
    :param stopped: set when the rescue is requested to stop: it ends before its next plan.
    """

    system: System
    coordination: Coordination
    lease: Lease
    data_loss: str
    progress: RescueProgress
    stopped: threading.Event
    _own: int = 0  # undos that the rescue itself owes

    def carry_out(self, done: dict[str, RunRescue]) -> None:
        """Rescue every run that owes an undo, and repeat while that pays undos that may unblock other runs.

        :param done: the results, by the run's id; filled as the rescue proceeds.
        :raises LeaseEnded: when another run has taken the lease over.
        :raises DrillError: when coordination cannot be reached any more, or the rescue is stopped (``rescue-stopped``).
        """
        while runs := owing_runs(self.coordination, before := self._state()):
            for one in runs:
                done[one.run] = self._rescue(one)
            if len(runs) == 1 or len(owed_of(self._state())) >= len(owed_of(before)):
                break

    def _state(self) -> SystemState:
        return self.coordination.read(lease_keys(self.system.topology))

    def _rescue(self, one: OwingRun) -> RunRescue:
        tried, own, place = list(one.tried), dict[int, int](), [0, 0]
        goal = goal_of(self.system, one, lambda: self._facts(one).writer)

        def begin(plan: RescuePlan) -> None:
            if self.stopped.is_set():
                raise DrillError(
                    "the rescue was requested to stop: undos that it has not paid stay owed", code="rescue-stopped"
                )
            place[:] = 0, len(plan.steps)
            self.progress.on_plan(one.run, plan)
            if plan.continues:
                tried.append(plan.row.name)
                self.coordination.put_note(NOTE, one.run, noted(tried))

        def on_step(step: RescueStep) -> None:
            place[0] += 1
            self.progress.on_step(step, *place)

        def owe(undo: OwedUndo) -> None:
            self._own += 1
            own[undo.number] = self._own
            self.coordination.owe(self.lease, self._own, replace(undo, number=self._own))

        result = rescue_system(
            self.system, one.run, one.owed, goal, self.data_loss, one.tried, begin=begin, owe=owe, on_step=on_step
        )
        rescued = RunRescue(one.run, goal, result, self._is_proven(one, goal, result))
        if rescued.is_proven:
            self._pay(one.run, result.paid, own)
        return rescued

    def _is_proven(self, one: OwingRun, goal: Region, result: RescueResult) -> bool:
        """Read the parts again if the result is that the goal serves."""
        if result.rounds[-1].plan.row.name != "goal-serves":
            return True
        facts = self._facts(one)
        return facts.serving == goal and "ours" not in facts.faults.values()

    def _facts(self, one: OwingRun) -> Facts:
        parts = parts_of(self.system.topology)
        return facts_of(parts, read_facts(self.system, parts, one.run, one.owed))

    def _pay(self, run: str, paid: Sequence[OwedUndo], own: dict[int, int]) -> None:
        # the newest first: if the rescue dies in between, what is still owed leads back to the state before the drill
        for undo in sorted(paid, key=lambda one: one.number, reverse=True):
            is_own = undo.number in own
            number = own[undo.number] if is_own else undo.number
            self.coordination.pay(self.lease.run if is_own else run, number, self.lease.run)


def settled_region(system: System, goal: str) -> RegionStatus:
    """Read the region state.

    :param goal: the state to wait for: clients follow the routing after a while; empty: one read.
    """
    within_s = FOLLOWS_WITHIN_S * system.topology.time_scale if goal else 0.0
    return poll_until(lambda: region_status(system), lambda one: one.state in (goal, "unknown"), within_s)
