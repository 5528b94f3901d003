"""The interface of a part of a system to the core: checks, facts, undo steps and leftovers.

Nothing here reads or writes anything. A part subclasses :class:`BasePart` and overrides what it has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from chaosdrill.analysis.undo_results import TRANSITIONS
from chaosdrill.aws import System
from chaosdrill.coordination.interface import RecordedUndo
from chaosdrill.coordination.resources import Resource
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.stop_when import NONE, StopWhen
from chaosdrill.topology import Topology

Role = Literal["gate", "routing", "database", "orchestrator", "trigger", "capacity", "fault", "client", "names"]
Outcome = Literal["ok", "warning", "refuse"]
UNREADABLE = "unreadable"  # the value of a fact that could not be read
# the order in which a rescue acts; undo steps of equal order may run concurrently
HEAL, TRIGGER_OFF, RAISE_CAPACITY, PLACE, LOWER_CAPACITY, TRIGGER_BACK, CLIENT = 10, 20, 25, 30, 40, 50, 60


@dataclass(frozen=True)
class PlannedStep:
    """An activity that an experiment will run, with its arguments resolved.

    :param stage: setup, hypothesis, method or rollbacks.
    :param function: its dotted name, such as ``chaosdrill.failover.actions.fail_over``.
    """

    stage: str
    name: str
    function: str
    arguments: Mapping[str, Any]

    @property
    def action(self) -> str:
        """The function's name without its module, such as ``fail_over``."""
        return self.function.rpartition(".")[2]


@dataclass(frozen=True)
class PlannedCall:
    """A changing request that a step will send.

    :param service: of AWS, as boto3 names it; ``locust``: Locust's web API; ``process``: a program of this machine.
    :param operation: such as ``UpdateItem``.
    :param region: to which it is sent; empty outside of AWS.
    :param parameters: of the request; ``<…>`` stands for values that are known only when the step runs.
    :param note: further facts, such as that it is sent several times.
    """

    service: str
    operation: str
    region: str
    parameters: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class CheckContext:
    """The facts about the drill that is about to begin, for its checks.

    :param steps: the experiment's activities; empty where no experiment is checked, as in ``topology check``.
    :param on_host: whether checks may send SSM commands that only read to the client host.
    :param experiment: its name, by which its IAM policy is found.
    :param expect: the region state without which the drill refuses to begin; empty: any.
    :param stop_when: when the drill stops by itself.
    :param run: the run that holds the system's lease already; empty: none does.
    """

    system: System
    configuration: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] | None = None
    steps: tuple[PlannedStep, ...] = ()
    on_host: bool = False
    experiment: str = ""
    expect: str = ""
    stop_when: StopWhen = NONE
    run: str = ""

    def has_step(self, *functions: str) -> bool:
        """Return whether the experiment runs one of these functions, such as ``packet_loss.actions.isolate_region``."""
        return bool(self.steps_of(*functions))

    def steps_of(self, *functions: str) -> list[PlannedStep]:
        """List the steps that run one of these functions, such as ``packet_loss.actions.isolate_region``."""
        return [step for step in self.steps if step.function.removeprefix("chaosdrill.") in functions]

    def needs(self, *packages: str) -> bool:
        """Return whether a step belongs to one of these packages, such as ``load``; always true without an
        experiment.
        """
        begins = tuple(f"chaosdrill.{package}." for package in packages)
        return not (self.experiment or self.steps) or any(step.function.startswith(begins) for step in self.steps)

    def changes_regions(self) -> bool:
        """Return whether a step belongs to a part that decides which region serves; always true without an
        experiment.
        """
        return self.needs("failover", "database", "routing", "stop_flag", "automatic_failover")

    def moves(self) -> bool:
        """Return whether setup or method move the application to another region, or allow an automatic failover."""
        return any(
            step.function.startswith("chaosdrill.") and step.function.rpartition(".")[2] in TRANSITIONS
            for step in self.steps
            if step.stage in ("setup", "method")
        )


@dataclass(frozen=True)
class Reading:
    """The observation of a check.

    :param value: the observation in a few words.
    :param why: what is wrong; empty when nothing is.
    :param code: of ``error_codes``, when the outcome is not ``ok``.
    """

    value: str
    outcome: Outcome = "ok"
    why: str = ""
    code: str = ""


@dataclass(frozen=True)
class Check:
    """A condition that must hold before a drill begins.

    :param part: the topology's key, or the part, for the table.
    :param name: stable, such as ``routing.cluster-endpoint``: tests and ``--json`` use it. Checks of several resources
        share it.
    :param what: the resource that is read, for the table.
    :param fix: how to fix it: a sentence, with the command where there is one.
    :param read: reads the resource, and changes nothing. An error that it raises refuses the drill.
    :param quick: whether it is repeated just before the first change.
    :param on_host: whether it sends an SSM command that only reads.
    """

    part: str
    name: str
    what: str
    fix: str
    read: Callable[[], Reading]
    quick: bool = False
    on_host: bool = False


@dataclass(frozen=True)
class StopCondition:
    """A condition that stops a drill, which then begins its rollbacks.

    :param name: for the history and the verdict, such as ``safety-lever``.
    :param what: the resource that is read, such as ``safety lever of ap-northeast-1``.
    :param read: returns why the drill must stop, as a sentence; empty when it need not. An error that it raises means
        that the resource is unreadable.
    """

    name: str
    what: str
    read: Callable[[], str]


@dataclass(frozen=True)
class VariableRange:
    """The valid values of a variable of an experiment's configuration.

    :param type: to which a value is converted (``--var users=50`` gives a text).
    :param has_default: whether an empty value is valid: then the topology's own value applies.
    """

    type: Callable[[Any], float]
    smallest: float
    largest: float
    has_default: bool = False


@dataclass(frozen=True)
class UndoRule:
    """An action of a part, and the activity that reverses it.

    :param action: the function's name, such as ``inject_packet_loss``.
    :param undo: the name of the function that reverses it.
    :param lasts_s: seconds until the change ends by itself, from the action's arguments; None: it does not.
    """

    action: str
    undo: str
    lasts_s: Callable[[Mapping[str, Any]], float | None] = lambda _: None


@dataclass(frozen=True)
class Fact:
    """The present state of a part, as one of the words that the part lists.

    :param details: further information for a person: ids, regions, times.
    :param each: the value of each resource, by its name, where the part has several: ECS services, EventBridge rules.
    """

    value: str
    details: Mapping[str, Any] = field(default_factory=dict)
    each: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UndoStep:
    """One step of a rescue.

    :param order: one of the constants above.
    :param what: what it does, as a sentence.
    :param pays: numbers of the owed undos that are paid when it is done.
    :param act: does it; it reads first, and does no harm when repeated.
    :param is_done: reads whether it is done.
    :param of: the resource that it changes, by its name in :attr:`Fact.each`; empty where the part has only one.
    :param owes: the undo that the rescue itself owes after this step; it is recorded before the step. None: nothing.
    """

    part: str
    order: int
    what: str
    pays: tuple[int, ...]
    act: Callable[[], Mapping[str, Any]]
    is_done: Callable[[], bool]
    of: str = ""
    owes: OwedUndo | None = None


def unneeded_step(part: str, order: int, what: str, pays: tuple[int, ...]) -> UndoStep:
    """Return the undo step of a change that was not made, or that has ended by itself: it is done already."""
    return UndoStep(part, order, what, pays, lambda: {"done": False}, lambda: True)


@dataclass(frozen=True)
class SweepScope:
    """The facts about the drills of a system for a sweep of its parts.

    :param live_runs: runs with a live lease: their resources are no leftovers.
    :param owed: undos that other runs owe.
    :param with_reused: whether to list also what has no effect by itself and is used by the next drill.
    """

    live_runs: frozenset[str] = frozenset()
    owed: tuple[RecordedUndo, ...] = ()
    with_reused: bool = True


@dataclass(frozen=True)
class Leftover:
    """A resource that a drill left.

    :param kind: such as ``fis-template``.
    :param run: the run that left it; empty when that is unknown.
    :param since: when it was made, UTC, ISO 8601; empty when that is unknown.
    :param remove_by_hand: the command that removes it, or what a person does about it.
    :param is_reused: whether it has no effect by itself and is used by the next drill.
    :param is_removable: whether :meth:`Part.remove` removes it; otherwise a rescue or a person does.
    """

    part: str
    kind: str
    id: str
    region: str
    what: str
    remove_by_hand: str
    run: str = ""
    since: str = ""
    is_reused: bool = False
    is_removable: bool = True


class Part(Protocol):
    """A part of a system.

    :ivar facts: every value that :meth:`fact` may have besides ``unreadable``.
    :ivar variables: the numbers in an experiment's configuration that the part's activities take.
    :ivar cuts_off: its actions that take a region's service from clients without moving the application.
    """

    name: ClassVar[str]
    role: ClassVar[Role]
    facts: ClassVar[tuple[str, ...]]
    undo_rules: ClassVar[tuple[UndoRule, ...]]
    variables: ClassVar[Mapping[str, VariableRange]]
    cuts_off: ClassVar[frozenset[str]]

    def resources(self, topology: Topology) -> Sequence[Resource]:
        """List the resources that two drills must not share; they are part of the lease's key."""

    def checks(self, context: CheckContext) -> Iterable[Check]:
        """List the conditions that must hold before a drill."""

    def stop_conditions(self, context: CheckContext) -> Iterable[StopCondition]:
        """List the conditions that stop a drill in progress."""

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read the part's present state. Does not raise: a state that cannot be read is ``unreadable``.

        :param run: the run of the drill, by which the part distinguishes its changes from those of others.
        :param owed: the run's owed undos of this part, with the resources and their state before.
        """

    def note_end(self, system: System, configuration: Mapping[str, Any]) -> None:
        """Record in the history of the open drill, after the rollbacks, what its judgement needs of this part."""

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """List the steps that pay what a drill owes of this part.

        :param run: the run of the drill.
        :param owed: the run's owed undos of this part.
        :param fact: the latest result of :meth:`fact`.
        """

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        """List the commands with which a person pays an owed undo."""

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the changing requests of one of the part's actions, in order; only reads.

        The action is assumed to have something to do: the present state counts as the state before the step, although
        earlier steps may change it.

        :param step: with every argument of the action, defaults included.
        :param earlier: the requests of the steps before.
        :raises DrillError: when they cannot be known, such as when a resource does not exist.
        """

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        """List what drills left of this part; only reads."""

    def remove(self, system: System, leftover: Leftover) -> None:
        """Remove a leftover. Does no harm when it is already gone.

        :raises DrillError: when it could not be removed.
        """


class Gate(Part, Protocol):
    """The part that opens and closes the application in a region."""

    def set_open(self, system: System, region: str, is_open: bool) -> None:
        """Open or close the application in a region. Repeating it does no harm.

        :raises DrillError: when that was not done, or whether it was is unknown.
        """


class Router(Part, Protocol):
    """The part that directs the domain to a region."""

    def route_to(self, system: System, region: str) -> None:
        """Direct the domain to a region and to no other. Repeating it does no harm.

        :raises DrillError: when that was not done, or whether it was is unknown.
        """


class AsynchronousPart(Part, Protocol):
    """A part whose own changes take time: the database, and the state machines."""

    def wait(self, system: System, fact: Fact, timeout_s: float) -> None:
        """Wait until the change that the fact shows has ended, whether it succeeds or fails.

        :raises TimedOut: when it is still in progress after ``timeout_s`` seconds.
        """


class WriterPart(AsynchronousPart, Protocol):
    """The part whose writer follows the application."""

    def promote(self, system: System, region: str, data_loss: str, timeout_s: float) -> Mapping[str, Any]:
        """Make a region the writer at once, without the region that wrote before. Repeating it does no harm.

        :param data_loss: must be the word ``allowed``: data that was not replicated is lost.
        :param timeout_s: seconds to wait for the writer.
        :raises DrillError: when that was not done, or whether it was is unknown.
        """


class Orchestrator(AsynchronousPart, Protocol):
    """The part that moves the application to a region."""

    def move(
        self, system: System, region: str, run: str, owed: Sequence[OwedUndo], timeout_s: float
    ) -> Mapping[str, Any]:
        """Move the application to a region. Repeating it does no harm: it does nothing when the region serves.

        :param run: the run whose drill is rescued; the execution is named after it.
        :param owed: the run's owed undos of this part.
        :param timeout_s: seconds to wait for the end.
        :raises DrillError: when that was not done, or whether it was is unknown.
        """


class BasePart:
    """A part that has nothing but its undo; parts override what they have."""

    facts: ClassVar[tuple[str, ...]] = ()
    undo_rules: ClassVar[tuple[UndoRule, ...]] = ()
    variables: ClassVar[Mapping[str, VariableRange]] = {}
    cuts_off: ClassVar[frozenset[str]] = frozenset()

    def resources(self, topology: Topology) -> Sequence[Resource]:
        return ()

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return ()

    def stop_conditions(self, context: CheckContext) -> Iterable[StopCondition]:
        return ()

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        return Fact("none")

    def note_end(self, system: System, configuration: Mapping[str, Any]) -> None:
        return None

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        return ()

    def undo_by_hand(self, owed: OwedUndo, now: datetime) -> Sequence[str]:
        return (
            f"undo {owed.action} (step {owed.step}) with {owed.undo}; `chaosdrill runs show` names its run's history",
        )

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        return ()

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        return ()

    def remove(self, system: System, leftover: Leftover) -> None:
        raise NotImplementedError(f"{type(self).__name__} leaves nothing")
