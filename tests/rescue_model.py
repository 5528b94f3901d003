"""An abstract system that rescue's steps change: what is true of it, and what its parts tell.

The truth is whole; a part that is unreadable does not tell its own. Steps check what a rescue promises when they act.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, combinations, product

from chaosdrill.parts.interface import PLACE, UNREADABLE
from chaosdrill.rescue.decisions import DATA_LOSS, ROWS, RescueRequest, RescueStep
from chaosdrill.rescue.facts import OTHER_FACTS, REGIONS, Facts, Region, trigger_value
from chaosdrill.rescue.plan import RescuePlan
from chaosdrill.rescue.rounds import Round, rescue

Regions = frozenset[Region]
NOWHERE: Regions = frozenset()
MOST_ROUNDS = sum(row.tries for row in ROWS)
SUBSETS: tuple[Regions, ...] = (NOWHERE, *(frozenset({one}) for one in REGIONS), frozenset(REGIONS))
WRITERS: tuple[tuple[str, bool], ...] = (
    ("home", True),
    ("home", False),
    ("standby", True),
    ("standby", False),
    ("none", False),
    ("several", False),
    ("moving", False),
)
TRIGGERS: tuple[tuple[bool, str], ...] = ((False, ""), (False, "on"), (True, ""), (True, "off"))
_GATES = dict(zip(SUBSETS, ("closed", "home-open", "standby-open", "both-open"), strict=True))
_ROUTINGS = dict(zip(SUBSETS, ("none", "home", "standby", "both"), strict=True))
_OTHER: dict[str, Region] = {"home": "standby", "standby": "home"}


@dataclass(frozen=True)
class World:
    """The truth.

    :param fault: none, ours, foreign or both.
    :param writer: home, standby, none, several or moving; ``ready``: whether the other region may be entered.
    :param trigger: whether the automatic failover is on, and in which state it must be at the end (empty: the same).
    :param unreadable: roles of the parts that do not tell their fact, and cannot be changed.
    """

    open: Regions
    routed: Regions
    writer: str
    ready: bool
    execution: str = "none"
    fault: str = "none"
    trigger: tuple[bool, str] = (False, "")
    capacity: str = "as-before"
    client: str = "none"
    unreadable: frozenset[str] = frozenset()

    @property
    def serving(self) -> Regions:
        """The regions that clients reach and that are open."""
        return self.open & self.routed

    def serves(self, goal: Region) -> bool:
        """Whether the goal, and no other region, serves and writes."""
        return self.open == self.routed == {goal} and self.writer == goal

    def facts(self) -> Facts:
        """What the parts tell."""

        def told(role: str, value: str) -> str:
            return UNREADABLE if role in self.unreadable else value

        names = {"none": "no-writer", "several": "several-writers", "moving": "moving"}
        database = names.get(self.writer) or f"{self.writer}-{'ready' if self.ready else 'waiting'}"
        is_on, owed = self.trigger
        trigger = trigger_value(is_on, "on" if owed == "on" else "off" if owed == "off" else "")
        return Facts(
            told("gate", _GATES[self.open]),
            told("routing", _ROUTINGS[self.routed]),
            told("database", database),
            told("orchestrator", self.execution),
            {"packet_loss": told("fault", "ours" if self.fault == "both" else self.fault)},
            {"automatic_failover": told("trigger", trigger)},
            {"service": told("capacity", self.capacity)},
            {"load": told("client", self.client)},
        )


def worlds_of_placement() -> Iterator[World]:
    """Every placement, with every choice of its parts unreadable."""
    roles = ("gate", "routing", "database", "orchestrator")
    masks = list(chain.from_iterable(combinations(roles, count) for count in range(len(roles) + 1)))
    executions = ("none", "to-home", "to-standby", "foreign")
    for is_open, routed, (writer, ready), execution, mask in product(SUBSETS, SUBSETS, WRITERS, executions, masks):
        yield World(is_open, routed, writer, ready, execution, unreadable=frozenset(mask))


def worlds_of_other_parts(world: World) -> Iterator[World]:
    """Every state of the parts beside the placement, with none or one of them unreadable."""
    faults, capacities, clients = (*OTHER_FACTS["fault"], "both"), OTHER_FACTS["capacity"], OTHER_FACTS["client"]
    for fault, trigger, capacity, client, hidden in product(
        faults, TRIGGERS, capacities, clients, (None, *OTHER_FACTS)
    ):
        others = {"fault": fault, "trigger": trigger, "capacity": capacity, "client": client}
        yield replace(world, **others, unreadable=world.unreadable | ({hidden} if hidden else frozenset()))


@cache
def outcomes(step: RescueStep, world: World) -> tuple[World, ...]:
    """List what may become of the world when a step is made: its success first."""
    if step.role in world.unreadable:
        return (world,)
    return tuple(_OUTCOMES[step.action](step, world))


def _of_placement(step: RescueStep, world: World) -> Iterator[World]:
    here = frozenset({step.region})
    if step.action == "route":
        yield replace(world, routed=here)
    else:
        yield replace(world, open=world.open - here if step.action == "close" else world.open | here)


def _of_machine(world: World, destination: Region) -> Iterator[World]:
    """A state machine that succeeds, or fails after each of its changes."""
    closed = replace(world, open=world.open - {_OTHER[destination]}, execution="none")
    routed = replace(closed, routed=frozenset({destination}))
    moved = [replace(routed, writer=destination, ready=ready) for ready in (True, False)]
    yield from (replace(one, open=one.open | {destination}) for one in moved)
    yield from (*moved, replace(routed, writer="moving", ready=False), routed, closed, replace(world, execution="none"))


def _of_move(step: RescueStep, world: World) -> Iterator[World]:
    assert step.region is not None
    yield from _of_machine(world, step.region)


def _of_waiting(step: RescueStep, world: World) -> Iterator[World]:
    if step.role == "orchestrator":
        yield from _of_machine(world, "home" if world.execution == "to-home" else "standby")
    else:
        yield from (replace(world, writer=writer, ready=ready) for writer, ready in WRITERS[:5])


def _of_promotion(step: RescueStep, world: World) -> Iterator[World]:
    yield from (replace(world, writer=str(step.region), ready=ready) for ready in (False, True))


def _of_switch_off(step: RescueStep, world: World) -> Iterator[World]:
    owed = world.trigger[1] or "on"  # the rescue owes it itself, from before its change
    yield replace(world, trigger=(False, "" if owed == "off" else owed))


_OUTCOMES: dict[str, Callable[[RescueStep, World], Iterator[World]]] = {
    "close": _of_placement,
    "open": _of_placement,
    "route": _of_placement,
    "move": _of_move,
    "wait": _of_waiting,
    "promote": _of_promotion,
    "heal": lambda step, world: iter([replace(world, fault="foreign" if world.fault == "both" else "none")]),
    "switch-off": _of_switch_off,
    "switch-on": lambda step, world: iter([replace(world, trigger=(True, ""))]),
    "restore": lambda step, world: iter([replace(world, capacity="as-before")]),
    "stop": lambda step, world: iter([replace(world, client="none")]),
}


def check(step: RescueStep, before: World, request: RescueRequest) -> None:
    """Assert what a rescue promises of a step that it is about to make."""
    if step.order == PLACE and step.action != "wait":
        assert request.owes_placement
        assert before.execution == "none", "nothing is placed while an execution runs"
        assert not before.trigger[0], "nothing is placed while the automatic failover may begin"
        assert before.unreadable.isdisjoint({"gate", "database", "orchestrator", "trigger"})
        if "routing" in before.unreadable:
            assert (step.action, before.open) == ("open", NOWHERE)
    if step.action in ("open", "route"):
        assert step.region == before.writer
    if step.action == "close":
        assert step.region != before.writer
    if step.action in ("move", "promote"):
        assert before.fault == "none"
        assert "fault" not in before.unreadable
    if step.action == "move":
        assert before.ready
        assert len(before.serving) == 1
    if step.action == "promote":
        assert (before.writer, request.data_loss) == ("none", DATA_LOSS)


class AlreadyExplored(Exception):
    """The rescue has come to a state from which another one was followed to its end."""


@dataclass
class Rescue:
    """One rescue of a world, whose steps end as the choices say.

    :param choices: which outcome each step has; the first ones where they end. ``counts``: how many there were.
    :param may_fail: whether a step may also fail without an effect.
    :param explored: states, with the rows that were tried before, from which rescues were followed.
    """

    world: World
    request: RescueRequest
    choices: tuple[int, ...] = ()
    may_fail: bool = False
    explored: set[object] = field(default_factory=set)
    counts: list[int] = field(default_factory=list)
    steps: list[RescueStep] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def carry_out(self) -> tuple[Round, ...]:
        """Carry it out with the package's own loop.

        :raises AlreadyExplored: when another one was followed from the same state.
        """
        return rescue(self._read, self._begin, self._act, self.request)

    def _begin(self, plan: RescuePlan) -> None:
        self.rows.append(plan.row.name)
        assert len(self.rows) <= MOST_ROUNDS, f"the rescue does not end: {self.rows}"

    def _read(self) -> Facts:
        if len(self.counts) >= len(self.choices):
            state = (self.world, tuple(sorted(self.rows)), self.request)
            if state in self.explored:
                raise AlreadyExplored
            self.explored.add(state)
        return self.world.facts()

    def _act(self, step: RescueStep) -> str:
        check(step, self.world, self.request)
        possible, place = outcomes(step, self.world), len(self.counts)
        choice = self.choices[place] if place < len(self.choices) else 0
        self.counts.append(len(possible) + self.may_fail)
        self.steps.append(step)
        if choice == len(possible):
            return "failed"
        after = possible[choice]
        if step.action != "wait":
            assert len(after.serving) < 2 or len(self.world.serving) == 2, "two regions serve"
        self.world = after
        return "unreadable" if step.role in after.unreadable else ""


def rescues(
    world: World, request: RescueRequest, explored: set[object], may_fail: bool = False
) -> Iterator[tuple[Rescue, tuple[Round, ...]]]:
    """Every way in which the rescue of a world may go, but for those that end like one that was explored before."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        one = Rescue(world, request, waiting.pop(), may_fail, explored)
        with suppress(AlreadyExplored):
            yield one, one.carry_out()
        for place in range(len(one.choices), len(one.counts)):
            kept = one.choices + (0,) * (place - len(one.choices))
            waiting += [(*kept, choice) for choice in range(1, one.counts[place])]
