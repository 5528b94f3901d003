"""The decisions of a rescue: an ordered list of states of the system; the first matching state decides. Pure.

A rescue never opens a region while another one is open, opens the writer's region only, and promotes a database only
after an explicit permission to lose writes. It changes nothing of the placement (stop flags, routing, writer) on facts
that are unreadable, with one exception, which the row ``closed-routing-unreadable`` explains.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from chaosdrill.parts.interface import PLACE, UNREADABLE, Role
from chaosdrill.rescue.facts import REGIONS, Facts, Region

Action = Literal[
    "heal", "switch-off", "restore", "close", "route", "open", "wait", "move", "promote", "switch-on", "stop"
]
# leave: faults and clients only. stay: the application serves elsewhere and stays there; all other undos are paid.
# wait, change: the placement; afterwards all facts are read again. complete: all that is owed.
Kind = Literal["leave", "stay", "wait", "change", "complete"]
DATA_LOSS = "allowed"  # the word that allows it
NOT_PLACING: tuple[Role, ...] = ("client", "names")  # changes of these parts cannot have moved the application


@dataclass(frozen=True)
class RescueStep:
    """One step of a rescue. Each reads first, and does no harm when it is repeated.

    :param order: one of the orders of ``parts.interface``.
    :param role: of the part that makes it.
    :param part: its name, where there may be several of the role.
    :param region: the region that it closes, opens, routes to, moves to or promotes.
    :param is_needed: whether the rest of the plan is left out when it fails.
    """

    order: int
    role: Role
    action: Action
    part: str = ""
    region: Region | None = None
    is_needed: bool = False


@dataclass(frozen=True)
class RescueRequest:
    """The request for a rescue.

    :param goal: the region that should serve: ``home``, or where the drill or a successor may stay.
    :param owed: the roles of the parts with undos that the drill owes.
    :param data_loss: the word ``allowed`` when a database may be promoted with a loss of writes.
    """

    goal: Region
    owed: frozenset[Role]
    data_loss: str = ""

    @property
    def owes_placement(self) -> bool:
        """Whether the drill may have caused the present placement, which a fault or a lower capacity can change,
        too.
        """
        return not self.owed <= set(NOT_PLACING)


@dataclass(frozen=True)
class Row:
    """One decision.

    :param arises: how the state comes about.
    :param does: the actions of the rescue in this state.
    :param by_person: what a person must do, when the rescue leaves the placement as it is; in a row that waits or
        changes: when that was tried as often as ``tries`` allows and the state is still the same.
    :param tries: how often the rescues of one run may do it.
    """

    name: str
    kind: Kind
    matches: Callable[[Facts, RescueRequest], bool]
    arises: str
    does: str
    by_person: str = ""
    steps: Callable[[Facts, RescueRequest], tuple[RescueStep, ...]] = lambda facts, request: ()
    tries: int = 3


def _serve_at_writer(facts: Facts, request: RescueRequest) -> tuple[RescueStep, ...]:
    """Close the other region, direct the domain to the writer's region, and open that one.

    If the domain cannot be directed there, the region is opened all the same: the other one is closed then.
    """
    writer, is_open = facts.writer, facts.open_regions
    others = [region for region in REGIONS if region in is_open and region != writer]
    steps = [RescueStep(PLACE, "gate", "close", region=region, is_needed=True) for region in others]
    if facts.routing != writer:
        steps.append(RescueStep(PLACE, "routing", "route", region=writer))
    return (*steps, *(() if writer in is_open else _open(facts, request)))


def _open(facts: Facts, request: RescueRequest) -> tuple[RescueStep, ...]:
    return (RescueStep(PLACE, "gate", "open", region=facts.writer),)


def _wait(role: Role) -> Callable[[Facts, RescueRequest], tuple[RescueStep, ...]]:
    return lambda facts, request: (RescueStep(PLACE, role, "wait"),)


def _promote(facts: Facts, request: RescueRequest) -> tuple[RescueStep, ...]:
    return (RescueStep(PLACE, "database", "promote", region=request.goal),)


def _move(facts: Facts, request: RescueRequest) -> tuple[RescueStep, ...]:
    return (RescueStep(PLACE, "orchestrator", "move", region=request.goal),)


def _serves_elsewhere(facts: Facts, request: RescueRequest) -> bool:
    return facts.serving is not None and facts.serving != request.goal


def _may_promote(facts: Facts, request: RescueRequest) -> bool:
    return facts.database == "no-writer" and request.data_loss == DATA_LOSS


def _is_writer_to_move(facts: Facts, request: RescueRequest) -> bool:
    return _serves_elsewhere(facts, request) or _may_promote(facts, request)


def _is_any(parts: Mapping[str, str], *values: str) -> bool:
    return any(value in values for value in parts.values())


def _is_closed(facts: Facts, request: RescueRequest) -> bool:
    return facts.gate == "closed" and facts.writer is not None


AGAIN = "then run the rescue again"
LEFT = "Heals the drill's faults, stops its load and heartbeat, and changes nothing else."
SERVES_AT_WRITER = (
    "Switches the automatic failover off, closes the region that does not write, if it is open, "
    "routes the domain to the region of the writer, opens that region, and reads everything again."
)
ROWS: tuple[Row, ...] = (
    Row(
        "placement-not-owed",
        "complete",
        lambda facts, request: not request.owes_placement,
        "The drill owes only load or heartbeat: nothing that it did can have moved the application.",
        "Stops load and heartbeat. Leaves the application where it serves.",
    ),
    Row(
        "facts-unreadable",
        "leave",
        lambda facts, request: UNREADABLE in (facts.gate, facts.database, facts.orchestrator),
        "A stop flag, the global cluster or the executions cannot be read: no network, no permission, or a service "
        "that is down.",
        LEFT,
        f"Make the unreadable part readable (credentials, permissions, network, AWS's health page), {AGAIN}.",
    ),
    Row(
        "own-execution",
        "wait",
        lambda facts, request: facts.orchestrator in ("to-home", "to-standby"),
        "The driver died after it had started a failover or failback. The execution goes on by itself.",
        "Heals the drill's faults, waits for the end of the execution, and reads everything again.",
        f"The execution does not end: check it in Step Functions, wait for its end or stop it, {AGAIN}.",
        _wait("orchestrator"),
    ),
    Row(
        "foreign-execution",
        "leave",
        lambda facts, request: facts.orchestrator == "foreign",
        "A person, another program or the system's automatic failover moves the application, or several executions "
        "run.",
        LEFT,
        f"Wait until these executions have ended, {AGAIN}.",
    ),
    Row(
        "database-moving",
        "wait",
        lambda facts, request: facts.database == "moving",
        "The driver or a state machine died during a switchover or failover of the database, or RDS changes the "
        "global cluster.",
        "Heals the drill's faults, waits until the global cluster is available, and reads everything again.",
        f"The global cluster does not become available: read its events in RDS, wait, {AGAIN}.",
        _wait("database"),
    ),
    Row(
        "several-writers",
        "leave",
        lambda facts, request: facts.database == "several-writers",
        "Aurora reports more than one writer. The drill cannot bring this about.",
        LEFT,
        "Two regions may accept conflicting writes: decide with AWS Support which one keeps them, close "
        f"the other one by its stop flag, remove its cluster from the global cluster, {AGAIN}.",
    ),
    Row(
        "no-writer",
        "leave",
        lambda facts, request: facts.database == "no-writer" and request.data_loss != DATA_LOSS,
        "The global cluster is available and has no writer: its primary cluster was removed or is lost.",
        LEFT,
        "Bring the primary cluster back, which loses nothing. Or run the rescue again with the data loss allowed: it "
        "promotes the region that should serve, and commits that were not replicated there are lost.",
    ),
    Row(
        "goal-serves",
        "complete",
        lambda facts, request: facts.serving == request.goal,
        "The driver died before its first change or after its last one, or an earlier rescue did the rest.",
        "Heals the drill's faults, restores capacity and automatic failover, and stops load and heartbeat.",
    ),
    Row(
        "goal-not-ready",
        "stay",
        lambda facts, request: _serves_elsewhere(facts, request) and not facts.is_ready,
        "After an unplanned failover Aurora rebuilds the old primary, in minutes to hours, and refuses a switchover "
        "to it.",
        "Leaves the application where it serves. Pays what else is owed, but does not lower capacity and does not "
        "enable an automatic failover.",
        f"Wait until the cluster of the region that should serve is connected, {AGAIN}. The failback stays owed.",
    ),
    Row(
        "routing-unreadable",
        "leave",
        lambda facts, request: not facts.is_routing_readable and not _is_closed(facts, request),
        "No endpoint of the ARC cluster responds, and a region is open or none writes.",
        LEFT,
        "Check whether the domain leads to the region that is open and writes. Read the routing controls from another "
        f"network or with another client, {AGAIN}.",
    ),
    Row(
        "trigger-unreadable",
        "leave",
        lambda facts, request: _is_any(facts.triggers, UNREADABLE),
        "The placement is not as it should be, and the rule of the automatic failover cannot be read: it may begin to "
        "move the application at any time.",
        LEFT,
        f"Disable the rule of the automatic failover or make it readable, {AGAIN}.",
    ),
    Row(
        "own-fault-in-force",
        "wait",
        lambda facts, request: _is_writer_to_move(facts, request) and _is_any(facts.faults, "ours"),
        "The driver died before it healed its fault, and the writer has to move.",
        "Heals the drill's faults, and reads everything again: another fault may be in force beside them.",
        f"The fault was not healed: stop its FIS experiment, or wait for its end, {AGAIN}.",
    ),
    Row(
        "fault-in-force",
        "leave",
        lambda facts, request: _is_writer_to_move(facts, request) and _is_any(facts.faults, "foreign", UNREADABLE),
        "The writer would have to move, and a fault that the drill did not inject is in force, or it is unknown "
        "whether one is.",
        LEFT,
        f"Wait for the end of the fault, or stop its FIS experiment, {AGAIN}.",
    ),
    Row(
        "no-writer-loss-allowed",
        "change",
        _may_promote,
        "As `no-writer`, and the rescue is allowed to lose writes.",
        "Switches the automatic failover off, promotes the region that should serve, and reads everything again. "
        "Commits that were not replicated there are lost.",
        f"The database was not promoted: read the events of the global cluster in RDS, {AGAIN}.",
        _promote,
        tries=1,
    ),
    Row(
        "closed-routing-unreadable",
        "change",
        lambda facts, request: not facts.is_routing_readable,
        "A transition stopped half way, every region is closed, and no endpoint of the ARC cluster responds.",
        "Switches the automatic failover off, and opens the region of the writer: the other one is closed, so two "
        "cannot serve. The domain may lead to the other one; where it does, no region serves until the routing is "
        "changed.",
        f"The stop flag could not be written: open the region of the writer by its stop flag, {AGAIN}.",
        _open,
    ),
    Row(
        "both-open",
        "change",
        lambda facts, request: facts.gate == "both-open",
        "A state machine left out the step that closes the source, or a step opened the other region and was not "
        "undone.",
        SERVES_AT_WRITER,
        f"Close the region that does not write by its stop flag, lead the domain to the other one, {AGAIN}.",
        _serve_at_writer,
    ),
    Row(
        "open-away-from-writer",
        "change",
        lambda facts, request: bool(facts.open_regions - {facts.writer}),
        "The writer moved and the driver died before the other region was closed, or a state machine opened its "
        "destination although the writer had not moved.",
        SERVES_AT_WRITER,
        f"Close the region that is open, lead the domain to the region of the writer, open that, {AGAIN}.",
        _serve_at_writer,
    ),
    Row(
        "closed",
        "change",
        _is_closed,
        "A failover or failback stopped half way, or the driver died between the steps that close a region and open "
        "the other one.",
        SERVES_AT_WRITER,
        f"Lead the domain to the region of the writer, open that by its stop flag, {AGAIN}.",
        _serve_at_writer,
    ),
    Row(
        "routed-elsewhere",
        "change",
        lambda facts, request: facts.serving is None,
        "The driver died between the change of the routing and that of a stop flag, or a routing control was changed "
        "and not undone.",
        SERVES_AT_WRITER,
        f"Lead the domain to the region that is open and writes, {AGAIN}.",
        _serve_at_writer,
    ),
    Row(
        "serves-elsewhere",
        "change",
        lambda facts, request: facts.serving != request.goal and facts.is_ready,
        "The driver died between the failover and the failback.",
        "Switches the automatic failover off, moves the application to the region that should serve with the state "
        "machine, and reads everything again. It does so once.",
        "The state machine failed or did not serve there: find out in which state and why, move the application by "
        f"hand as the runbook does, {AGAIN}.",
        _move,
        tries=1,
    ),
)
