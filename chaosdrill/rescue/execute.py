"""Execution of a rescue: the facts of all parts are read in parallel, and the parts make the steps of each plan.

The caller holds the lease, and has read what is owed. Nothing here reads or writes coordination by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from chaosdrill.aws import System, deadlines
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.errors import LeaseEnded
from chaosdrill.history.owed_undos import PLACEMENT, OwedUndo
from chaosdrill.parts.interface import (
    CLIENT,
    HEAL,
    LOWER_CAPACITY,
    RAISE_CAPACITY,
    TRIGGER_BACK,
    TRIGGER_OFF,
    UNREADABLE,
    Fact,
    Part,
    Role,
    UndoStep,
)
from chaosdrill.parts.registry import parts_of
from chaosdrill.rescue.decisions import NOT_PLACING, RescueRequest, RescueStep
from chaosdrill.rescue.facts import Facts, Region
from chaosdrill.rescue.plan import RescuePlan
from chaosdrill.rescue.rounds import Round, rescue

READ_WITHIN_S = 60.0  # a read of one part; SSM commands take longest
WAIT_WITHIN_S = 3600.0  # the default of fail_over: a state machine, a change of writer
_ORDERS: Mapping[str, tuple[int, ...]] = {  # orders of the undo steps behind each action of a plan
    "heal": (HEAL,),
    "switch-off": (TRIGGER_OFF,),
    "restore": (RAISE_CAPACITY, LOWER_CAPACITY),
    "switch-on": (TRIGGER_BACK,),
    "stop": (CLIENT,),
}


@dataclass(frozen=True)
class RescueResult:
    """The result of a rescue.

    :param rounds: its plans, and the steps that failed.
    :param paid: undos that are no longer owed, as read at the end.
    :param left: undos that are still owed, in the order in which their changes began.
    """

    rounds: tuple[Round, ...]
    paid: tuple[OwedUndo, ...]
    left: tuple[OwedUndo, ...]


def rescue_system(
    system: System,
    run: str,
    owed: Sequence[OwedUndo],
    goal: Region = "home",
    data_loss: str = "",
    tried: Sequence[str] = (),
    begin: Callable[[RescuePlan], None] = lambda plan: None,
    owe: Callable[[OwedUndo], None] = lambda undo: None,
    on_step: Callable[[RescueStep], None] = lambda step: None,
) -> RescueResult:
    """Bring a system back after the driver of a run died.

    :param owed: the undos that the run owes.
    :param goal: the region that should serve at the end.
    :param data_loss: the word ``allowed`` when a database may be promoted with a loss of writes.
    :param tried: see :func:`chaosdrill.rescue.plan.plan`.
    :param begin: see :func:`chaosdrill.rescue.rounds.rescue`.
    :param owe: records an undo that the rescue itself owes, before its change; may raise, and then nothing is changed.
    :param on_step: is called with each step before it is made.
    """
    carried = _Rescue(system, run, list(owed), owe)
    request = request_of(carried.parts, owed, goal, data_loss)

    def act(step: RescueStep) -> str:
        on_step(step)
        return carried.act(step, request)

    return carried.result(rescue(carried.read, begin, act, request, tried), request)


def request_of(parts: Sequence[Part], owed: Sequence[OwedUndo], goal: Region, data_loss: str = "") -> RescueRequest:
    """Return the request for a rescue of a run."""
    return RescueRequest(goal, frozenset(_role(undo, parts) for undo in owed), data_loss)


def facts_of(parts: Sequence[Part], read: Mapping[str, Fact]) -> Facts:
    """Convert the facts that the parts read into the input of the decision.

    :param read: by the part's name. In a part with several resources each one counts by itself, as ``part:resource``.
    """
    placement: dict[str, str] = {part.role: read[part.name].value for part in parts if part.role in PLACEMENT}
    others: dict[Role, dict[str, str]] = {"fault": {}, "trigger": {}, "capacity": {}, "client": {}}
    for part in parts:
        if part.role in others:
            fact = read[part.name]
            each = {f"{part.name}:{resource}": value for resource, value in fact.each.items()}
            others[part.role] |= each or {part.name: fact.value}
    gate, routing, database, orchestrator = (placement.get(role, UNREADABLE) for role in PLACEMENT)
    return Facts(gate, routing, database, orchestrator, *others.values())


def read_facts(system: System, parts: Sequence[Part], run: str, owed: Sequence[OwedUndo]) -> dict[str, Fact]:
    """Read the facts of all parts in parallel, by the part's name."""

    def read(part: Part) -> Fact:
        with deadlines.ending(READ_WITHIN_S):
            return part.fact(system, run, _of(part, owed))

    with ThreadPoolExecutor(len(parts), thread_name_prefix="facts") as pool:
        return dict(zip([part.name for part in parts], pool.map(read, parts), strict=True))


def _of(part: Part, owed: Sequence[OwedUndo]) -> list[OwedUndo]:
    return [undo for undo in owed if undo.part == part.name]


def _role(undo: OwedUndo, parts: Sequence[Part]) -> Any:
    """Return the role of the part of an owed undo; older histories record the part only."""
    return next((part.role for part in parts if part.name == undo.part), undo.role)


class _Rescue:
    """A rescue in progress: the latest facts, and the owed undos."""

    def __init__(self, system: System, run: str, owed: list[OwedUndo], owe: Callable[[OwedUndo], None]) -> None:
        self._system, self._run, self._owed, self._owe = system, run, owed, owe
        self.parts = parts_of(system.topology)
        self._facts: dict[str, Fact] = {}

    def read(self) -> Facts:
        self._facts = read_facts(self._system, self.parts, self._run, self._owed)
        return facts_of(self.parts, self._facts)

    def act(self, step: RescueStep, request: RescueRequest) -> str:
        """Make a step of a plan; return the text of the error when it failed.

        :raises LeaseEnded: when the rescue does not hold the lease any more.
        """
        try:
            if step.action in _ORDERS:
                self._undo(step)
            else:
                self._place(step, request)
        except LeaseEnded:
            raise  # another run may be rescuing by now
        except FAILURES as error:
            return str(error)
        return ""

    def _place(self, step: RescueStep, request: RescueRequest) -> None:
        part: Any = next(part for part in self.parts if part.role == step.role)  # implements the protocol of its role
        system, regions = self._system, self._system.topology.regions
        region = {"home": regions.home, "standby": regions.standby}.get(str(step.region), "")
        match step.action:
            case "open" | "close":
                part.set_open(system, region, step.action == "open")
            case "route":
                part.route_to(system, region)
            case "wait":
                part.wait(system, self._facts[part.name], WAIT_WITHIN_S)
            case "move":
                part.move(system, region, self._run, _of(part, self._owed), WAIT_WITHIN_S)
            case "promote":
                part.promote(system, region, request.data_loss, WAIT_WITHIN_S)

    def _undo(self, step: RescueStep) -> None:
        name, _, resource = step.part.partition(":")
        part = next(part for part in self.parts if part.name == name)
        for one in self._undo_steps(part):
            if one.order in _ORDERS[step.action] and one.of in ("", resource):
                self._make(one)

    def _make(self, step: UndoStep) -> None:
        if step.owes is not None:
            number = max((undo.number for undo in self._owed), default=0) + 1
            self._owe(undo := replace(step.owes, number=number))
            self._owed.append(undo)
        step.act()

    def _undo_steps(self, part: Part) -> Sequence[UndoStep]:
        return part.undo_steps(self._system, self._run, _of(part, self._owed), self._facts[part.name])

    def result(self, rounds: tuple[Round, ...], request: RescueRequest) -> RescueResult:
        """Read which undos are paid: those whose steps are done, and the placement when the goal serves.

        If the drill changed no placement itself and the goal does not serve, the changes that may have moved the
        application stay owed: otherwise no owed undo would record the wrong placement.
        """
        paid: set[int] = set()
        for part in self.parts:
            if part.role not in PLACEMENT:
                paid |= self._paid_of(part)
        if rounds[-1].plan.row.name == "goal-serves":
            paid |= {undo.number for undo in self._owed if _role(undo, self.parts) in PLACEMENT}
        elif request.owes_placement and request.owed.isdisjoint(PLACEMENT):
            paid &= {undo.number for undo in self._owed if _role(undo, self.parts) in NOT_PLACING}
        done, left = (tuple(one for one in self._owed if (one.number in paid) is is_paid) for is_paid in (True, False))
        return RescueResult(rounds, done, left)

    def _paid_of(self, part: Part) -> set[int]:
        """List the numbers that a part's undo steps paid; a step that cannot be read has paid none."""
        paid: set[int] = set()
        unpaid: set[int] = set()
        try:
            for step in self._undo_steps(part):
                (paid if step.is_done() else unpaid).update(step.pays)
        except FAILURES:
            return set()
        return paid - unpaid
