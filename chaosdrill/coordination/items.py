"""The items of coordination: their keys and attributes, and the conditional writes that change them. Pure.

An item is a mapping of attributes. A value is a text, a whole number or a set of texts; what has a structure of its own
is JSON in a text. Both stores, DynamoDB and files, carry out the same writes.

====================  ===============  ==========================================================================
partition key         sort key         attributes, beside ``schema``, ``needs``, ``by``, ``at`` and ``ttl``
====================  ===============  ==========================================================================
``resource#KEY``      ``holder``       ``run`` and ``token`` while it is held; ``owing``: runs that may owe an undo
``run#RUN``           ``lease``        the fields of :class:`Lease`; ``last_owe``: of the latest undo that was recorded
``run#RUN``           ``undo#NUMBER``  the fields of :class:`RecordedUndo`; ``owe``: of the write that recorded it
``run#RUN``           ``approval#N``   the fields of :class:`Approval`, two of them as ``answered_by`` and ``_at``
``KIND#KEY``          ``note``         ``facts``
====================  ===============  ==========================================================================
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from chaosdrill import __version__
from chaosdrill.coordination.interface import (
    SCHEMA,
    Approval,
    ApprovalState,
    Holder,
    Lease,
    LeaseRequest,
    RecordedUndo,
    StopRequest,
)
from chaosdrill.errors import CannotSee, Refused
from chaosdrill.history import to_json_safe
from chaosdrill.history.owed_undos import OwedUndo

PARTITION_KEY, SORT_KEY, TTL = "PK", "SK", "ttl"
HOLDER, LEASE, NOTE = "holder", "lease", "note"
UNDO, APPROVAL = "undo#", "approval#"
NEEDS = __version__  # the oldest version of chaosdrill that reads items of this schema
DAY_S = 86_400
RESOURCE_LASTS_S, RUN_LASTS_S, NOTE_LASTS_S = 30 * DAY_S, 90 * DAY_S, 400 * DAY_S  # how long items are kept

Key = tuple[str, str]
Value = str | int | frozenset[str]
Item = Mapping[str, Any]
T = TypeVar("T")
Operator = Literal["absent", "present", "equals", "at-most"]


@dataclass(frozen=True)
class Condition:
    """A condition on an attribute of an item; ``value`` applies to ``equals`` and ``at-most`` only."""

    attribute: str
    operator: Operator
    value: Value = ""


@dataclass(frozen=True)
class ItemWrite:
    """A change of one item, applied when all its conditions hold. An item that does not exist is created.

    :param when: a list of alternatives; of each, at least one condition must hold.
    """

    key: Key
    sets: Mapping[str, Value]
    removes: tuple[str, ...] = ()
    when: tuple[tuple[Condition, ...], ...] = field(default=())


def absent(attribute: str) -> Condition:
    """Return the condition that an item has no such attribute, or does not exist."""
    return Condition(attribute, "absent")


def present(attribute: str) -> Condition:
    """Return the condition that an item has the attribute."""
    return Condition(attribute, "present")


def equals(attribute: str, value: Value) -> Condition:
    """Return the condition that an attribute has a value."""
    return Condition(attribute, "equals", value)


NOT_NEWER = (absent("schema"), Condition("schema", "at-most", SCHEMA))
EXISTS = (present(PARTITION_KEY),)
IS_NEW = (absent(PARTITION_KEY),)
IS_HELD = (equals("state", "held"),)
IS_OWED = (equals("state", "owed"), equals("state", "handed-over"))
IS_PENDING = (equals("state", "pending"),)


def resource_key(resource: str) -> Key:
    """Return the key of the item that names a resource's holder."""
    return f"resource#{resource}", HOLDER


def lease_key(run: str) -> Key:
    """Return the key of a run's lease."""
    return run_partition(run), LEASE


def undo_key(run: str, number: int) -> Key:
    """Return the key of an owed undo; the sort keys of a run's undos are in the order of their numbers."""
    return run_partition(run), f"{UNDO}{number:06d}"


def approval_key(run: str, number: int) -> Key:
    """Return the key of a request for an approval; the sort keys of a run's are in the order of their numbers."""
    return run_partition(run), f"{APPROVAL}{number:06d}"


def note_key(kind: str, key: str) -> Key:
    """Return the key of a note."""
    return f"{kind}#{key}", NOTE


def run_partition(run: str) -> str:
    """Return the partition with the lease and the undos of a run."""
    return f"run#{run}"


def require_readable(item: Item, where: str) -> Item:
    """Check that this version can read an item, and return it.

    :param where: the store, for the message.
    :raises Refused: ``coordination-newer``: a newer version wrote it in another form.
    :raises CannotSee: ``coordination-invalid``: its schema is missing or invalid.
    """
    with _valid(item):
        is_newer = int(item.get("schema", SCHEMA)) > SCHEMA
    if is_newer:
        raise Refused(
            f"{item[PARTITION_KEY]} in {where} has schema {item['schema']}, written by {item.get('by', 'unknown')}; "
            f"chaosdrill {__version__} reads schemas up to {SCHEMA}: install {item.get('needs', 'one')} or newer",
            code="coordination-newer",
        )
    return item


def stamp(by: str, now_ms: int) -> dict[str, Value]:
    """Return the attributes about the writer, which every written item has."""
    return {"schema": SCHEMA, "needs": NEEDS, "by": by, "at": iso(now_ms)}


def iso(moment_ms: int) -> str:
    """Return a moment as ISO 8601, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ttl_after(now_ms: int, seconds: int) -> int:
    """Return the value of the attribute by which a table deletes old items: seconds since 1970."""
    return now_ms // 1000 + seconds


def new_lease(request: LeaseRequest, resources: Iterable[str], token: str, now_ms: int) -> Lease:
    """Return the requested lease, as it begins now."""
    return Lease(
        run=request.run,
        token=token,
        state="held",
        purpose=request.purpose,
        expires_ms=now_ms + request.lease_ms,
        lease_ms=request.lease_ms,
        attempt_ms=request.attempt_ms,
        resources=tuple(sorted(resources)),
        holder=request.holder,
        experiment=request.experiment,
        end=request.end,
        began_ms=now_ms,
    )


def lease_of(item: Item) -> Lease:
    """Read a lease from its item.

    :raises CannotSee: ``coordination-invalid``: an attribute is missing or invalid.
    """
    with _valid(item):
        stop = item.get("stop")
        return Lease(
            run=str(item["run"]),
            token=str(item["token"]),
            state=item["state"],
            purpose=item["purpose"],
            expires_ms=int(item["expires_ms"]),
            lease_ms=int(item["lease_ms"]),
            attempt_ms=int(item["attempt_ms"]),
            resources=tuple(sorted(item["resources"])),
            holder=_read(Holder, item["holder"]),
            stop=_read(StopRequest, stop) if stop else None,
            began_ms=int(item.get("began_ms", 0)),
            **{name: str(item.get(name, "")) for name in ("experiment", "end", "stage", "step", "taken_by")},
        )


def undo_of(item: Item) -> RecordedUndo:
    """Read an owed undo from its item.

    :raises CannotSee: ``coordination-invalid``: an attribute is missing or invalid.
    """
    with _valid(item):
        return RecordedUndo(
            run=str(item["run"]),
            number=int(item["number"]),
            undo=_read(OwedUndo, item["undo"]),
            state=item["state"],
            **{name: str(item.get(name, "")) for name in ("paid_by", "to", "until")},
        )


def approval_of(item: Item) -> Approval:
    """Read a request for an approval from its item.

    :raises CannotSee: ``coordination-invalid``: an attribute is missing or invalid.
    """
    with _valid(item):
        return Approval(
            number=int(item["number"]),
            until_ms=int(item["until_ms"]),
            state=item["state"],
            by=str(item.get("answered_by", "")),  # `by` is the writer of an item
            at=str(item.get("answered_at", "")),
            **{name: str(item[name]) for name in ("run", "step", "question", "asked")},
        )


def facts_of(item: Item) -> Mapping[str, Any]:
    """Read the facts of a note.

    :raises CannotSee: ``coordination-invalid``: they are missing or invalid.
    """
    with _valid(item):
        facts: Mapping[str, Any] = json.loads(item["facts"])
        return facts


def _read(kind: type[T], text: str) -> T:
    """Read a value from JSON; fields that a later version has added are ignored."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in json.loads(text).items() if name in known})


@contextmanager
def _valid(item: Item) -> Iterator[None]:
    """Report an item that does not have the form in which it is written."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = f"{item.get(PARTITION_KEY)} {item.get(SORT_KEY)}"
        why = f"{type(error).__name__}: {error}"
        raise CannotSee(f"the item {where} of coordination is invalid: {why}", code="coordination-invalid") from error


def is_undo(item: Item) -> bool:
    """Return whether an item is an owed undo, paid or not."""
    return str(item[SORT_KEY]).startswith(UNDO)


def is_approval(item: Item) -> bool:
    """Return whether an item is a request for an approval, answered or not."""
    return str(item[SORT_KEY]).startswith(APPROVAL)


def acquisition(
    lease: Lease, holders: Mapping[str, Item], owing: Collection[str], now_ms: int, by: str, stale: Item | None = None
) -> list[ItemWrite]:
    """Build the transaction that takes a lease: it fails when anything has changed since the items were read.

    :param holders: the items of the resources as they were read, by resource.
    :param owing: runs that owe an undo of these resources and stay recorded.
    :param stale: the item of the expired lease that is taken over, as it was read.
    """
    known = stamp(by, now_ms)
    writes = [_taken(lease, one, holders.get(one, {}), owing, known, stale) for one in lease.resources]
    writes.append(ItemWrite(lease_key(lease.run), {**known, **_lease_attributes(lease)}, when=(IS_NEW,)))
    if stale is not None:
        same = tuple((_unchanged(stale, name),) for name in ("token", "state", "expires_ms", "last_owe"))
        sets: dict[str, Value] = {"state": "taken-over", "taken_by": lease.run}
        writes.append(ItemWrite(lease_key(str(stale["run"])), sets, when=(NOT_NEWER, *same)))
    return writes


def _unchanged(item: Item, attribute: str) -> Condition:
    return equals(attribute, item[attribute]) if attribute in item else absent(attribute)


def _taken(
    lease: Lease, resource: str, before: Item, owing: Collection[str], known: Mapping[str, Value], stale: Item | None
) -> ItemWrite:
    free = (absent("token"),) if stale is None else (absent("token"), equals("token", stale["token"]))
    kept = frozenset(owing) & frozenset(before.get("owing", ())) | {lease.run}
    sets = {**known, "run": lease.run, "token": lease.token, "owing": kept}
    return ItemWrite(resource_key(resource), sets, (TTL,), (NOT_NEWER, free, (_unchanged(before, "owing"),)))


def renewal(lease: Lease, now_ms: int, stage: str, step: str) -> ItemWrite:
    """Build the write that extends a lease. A late renewal succeeds as long as no other run has taken the lease
    over.
    """
    sets: dict[str, Value] = {"expires_ms": now_ms + lease.lease_ms, "stage": stage, "step": step, "at": iso(now_ms)}
    return ItemWrite(lease_key(lease.run), sets, when=_ours(lease))


def owing_write(lease: Lease, number: int, undo: OwedUndo, owe: str, now_ms: int, by: str) -> list[ItemWrite]:
    """Build the transaction that records an owed undo.

    :param owe: identifies this write. It is also written to the lease, so that a release at the same moment notices it.
    """
    known = stamp(by, now_ms)
    sets = {**known, "run": lease.run, "number": number, "undo": _json(asdict(undo)), "state": "owed", "owe": owe}
    removes = (TTL, "paid_by", "paid_at", "to", "until")
    return [
        ItemWrite(undo_key(lease.run, number), sets, removes, (NOT_NEWER,)),
        ItemWrite(lease_key(lease.run), {"last_owe": owe}, when=_ours(lease)),
    ]


def payment(run: str, number: int, by: str, now_ms: int) -> ItemWrite:
    """Build the write that records an undo as paid."""
    sets: dict[str, Value] = {"state": "paid", "paid_by": by, "paid_at": iso(now_ms)}
    return ItemWrite(undo_key(run, number), {**sets, TTL: ttl_after(now_ms, RUN_LASTS_S)}, when=(NOT_NEWER, IS_OWED))


def handing_over(run: str, number: int, to: str, until: str) -> ItemWrite:
    """Build the write that hands an undo over to an experiment."""
    sets: dict[str, Value] = {"state": "handed-over", "to": to, "until": until}
    return ItemWrite(undo_key(run, number), sets, when=(NOT_NEWER, IS_OWED))


def stop_request(run: str, request: StopRequest) -> ItemWrite:
    """Build the write that requests a run to stop; the first request counts."""
    when = (NOT_NEWER, IS_HELD, (absent("stop"),))
    return ItemWrite(lease_key(run), {"stop": _json(asdict(request))}, when=when)


def approval_request(approval: Approval, now_ms: int, by: str) -> ItemWrite:
    """Build the write that requests an approval."""
    names = ("run", "number", "step", "question", "asked", "until_ms")
    # a question may hold a secret
    facts: dict[str, Value] = to_json_safe({name: getattr(approval, name) for name in names})
    sets = {**stamp(by, now_ms), **facts, "state": "pending", TTL: ttl_after(now_ms, RUN_LASTS_S)}
    return ItemWrite(approval_key(approval.run, approval.number), sets, ("answered_by", "answered_at"), (NOT_NEWER,))


def approval_answer(run: str, number: int, state: ApprovalState, by: str, now_ms: int) -> ItemWrite:
    """Build the write that approves or refuses a step that waits for it."""
    sets: dict[str, Value] = {"state": state, "answered_by": by, "answered_at": iso(now_ms)}
    return ItemWrite(approval_key(run, number), sets, when=(NOT_NEWER, IS_PENDING))


def release(
    lease: Lease, holders: Mapping[str, Item], owing: Collection[str], item: Item, now_ms: int
) -> list[ItemWrite]:
    """Build the transaction that releases a lease.

    :param holders: the items of the resources as they were read, by resource.
    :param owing: runs that still owe an undo.
    :param item: the lease's own, as it was read before its undos: an undo that was recorded since makes the transaction
        fail.
    """
    sets: dict[str, Value] = {"state": "released"}
    if lease.run not in owing:
        sets[TTL] = ttl_after(now_ms, RUN_LASTS_S)
    ours = {one: item for one, item in holders.items() if item.get("token") == lease.token}
    given_back = [_given_back(lease, one, item, owing, now_ms) for one, item in ours.items()]
    return [*given_back, ItemWrite(lease_key(lease.run), sets, when=(*_ours(lease), (_unchanged(item, "last_owe"),)))]


def _given_back(lease: Lease, resource: str, before: Item, owing: Collection[str], now_ms: int) -> ItemWrite:
    kept = frozenset(owing) & frozenset(before.get("owing", ()))
    sets: dict[str, Value] = {"owing": kept} if kept else {TTL: ttl_after(now_ms, RESOURCE_LASTS_S)}
    removes = ("run", "token") if kept else ("run", "token", "owing")
    return ItemWrite(resource_key(resource), sets, removes, (NOT_NEWER, (equals("token", lease.token),)))


def note_write(kind: str, key: str, facts: Mapping[str, Any], now_ms: int, by: str) -> ItemWrite:
    """Build the write that stores facts under a key."""
    sets = {**stamp(by, now_ms), "facts": _json(facts), TTL: ttl_after(now_ms, NOTE_LASTS_S)}
    return ItemWrite(note_key(kind, key), sets, when=(NOT_NEWER,))


def _ours(lease: Lease) -> tuple[tuple[Condition, ...], ...]:
    return NOT_NEWER, (equals("token", lease.token),), IS_HELD


def _lease_attributes(lease: Lease) -> dict[str, Value]:
    texts = {name: getattr(lease, name) for name in ("run", "token", "state", "purpose", "experiment", "end")}
    numbers = {name: getattr(lease, name) for name in ("expires_ms", "lease_ms", "attempt_ms", "began_ms")}
    return {**texts, **numbers, "resources": frozenset(lease.resources), "holder": _json(asdict(lease.holder))}


def _json(value: Any) -> str:
    return json.dumps(to_json_safe(value), sort_keys=True)


def holds(conditions: Sequence[Sequence[Condition]], item: Item) -> bool:
    """Return whether an item meets the conditions of a write, as DynamoDB would; a missing item is empty."""
    return all(any(_is_met(one, item) for one in choice) for choice in conditions)


def _is_met(condition: Condition, item: Item) -> bool:
    if condition.operator in ("absent", "present"):
        return (condition.attribute in item) == (condition.operator == "present")
    if condition.attribute not in item:
        return False
    value: Any = item[condition.attribute]
    wanted: Any = condition.value
    if condition.operator == "equals":
        return bool(value == wanted)
    return type(value) is type(wanted) and bool(value <= wanted)  # DynamoDB compares values of one type only


def written(write: ItemWrite, item: Item) -> dict[str, Any]:
    """Return an item as it is after a write."""
    kept = {name: value for name, value in item.items() if name not in write.removes}
    return {PARTITION_KEY: write.key[0], SORT_KEY: write.key[1], **kept, **write.sets}
