"""The operations of coordination over a store of items: the same for DynamoDB and for files."""

import contextlib
import os
import socket
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.coordination import items
from chaosdrill.coordination.holders import user_name
from chaosdrill.coordination.interface import (
    Approval,
    ApprovalState,
    Lease,
    LeaseRequest,
    Purpose,
    RecordedUndo,
    StopRequest,
    SystemState,
)
from chaosdrill.coordination.items import Item
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import CannotSee, LeaseEnded, Refused, problem
from chaosdrill.history.owed_undos import OwedUndo

_ROUNDS = 5  # attempts to read and write, while other processes write at the same moment
# these purposes change nothing that can be handed over
_LEAVE_HANDED_OVER: tuple[Purpose, ...] = ("sweep", "settlement")


@dataclass(frozen=True)
class _Observed:
    """The items that were read before a lease is taken or released.

    :param holders: the resources' items, by resource; those that do not exist are left out.
    :param leases: the leases' items, by run.
    """

    now_ms: int
    holders: Mapping[str, Item]
    leases: Mapping[str, Item]
    undos: tuple[RecordedUndo, ...]
    approvals: tuple[Approval, ...]

    def owed(self) -> tuple[RecordedUndo, ...]:
        return tuple(one for one in self.undos if one.state != "paid")

    def owing(self) -> frozenset[str]:
        """Return the runs that owe an undo."""
        return frozenset(one.run for one in self.owed())

    def state(self) -> SystemState:
        leases = tuple(items.lease_of(item) for _, item in sorted(self.leases.items()))
        return SystemState(self.now_ms, leases, self.owed(), self.approvals)


class ItemCoordination:
    """An implementation of :class:`chaosdrill.coordination.interface.Coordination` with the items of a store."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._by = f"{user_name()}@{socket.gethostname()} {os.getpid()}"

    def __str__(self) -> str:
        return str(self._store)

    def read(self, resources: Sequence[str]) -> SystemState:
        """Read who holds the resources and what is owed of them."""
        return self._observe(resources).state()

    def read_run(self, run: str) -> SystemState:
        """Read the lease of one run, its owed undos and its requests for approvals."""
        return self._observe((), also=(run,)).state()

    def acquire(self, request: LeaseRequest) -> Lease:
        """Take the lease of resources that no run holds."""
        return self._take(request, request.resources, None)

    def take_over(self, request: LeaseRequest, stale: Lease) -> Lease:
        """Take the lease from a run whose lease has expired; the new lease also covers that run's resources."""
        return self._take(request, {*request.resources, *stale.resources}, stale)

    def renew(self, lease: Lease, stage: str = "", step: str = "") -> Lease:
        """Extend a lease, and read the requests that were made of its run."""
        try:
            item = self._store.update(items.renewal(lease, self._store.now_ms(), stage, step))
        except ConditionFailed as error:
            raise self._lost(lease) from error
        return items.lease_of(item)

    def release(self, lease: Lease) -> None:
        """Release the resources."""
        for _ in range(_ROUNDS):
            observed = self._observe(lease.resources, also=(lease.run,))
            item = observed.leases.get(lease.run, {})
            if item.get("token") != lease.token or item.get("state") != "held":
                return
            writes = items.release(lease, observed.holders, observed.owing(), item, observed.now_ms)
            try:
                return self._transact(writes, lambda: self._is_released(lease))
            except ConditionFailed:
                continue
        raise self._contended(f"the lease of run {lease.run} was not released")

    def owe(self, lease: Lease, number: int, undo: OwedUndo) -> None:
        """Record an undo before its change is made."""
        owe = uuid.uuid4().hex
        writes = items.owing_write(lease, number, undo, owe, self._store.now_ms(), self._by)
        try:
            self._transact(writes, lambda: self._has(items.undo_key(lease.run, number), owe=owe))
        except ConditionFailed as error:
            raise self._lost(lease) from error

    def pay(self, run: str, number: int, by: str) -> None:
        """Record that an undo was paid; nothing happens when none is owed."""
        write = items.payment(run, number, by, self._store.now_ms())
        try:
            self._update(write, lambda: self._has(write.key, state="paid"))
        except ConditionFailed:
            self._item(write.key)  # raises for an item of a newer schema

    def hand_over(self, run: str, number: int, to: str, until: str) -> None:
        """Hand an undo over to a named experiment until a date."""
        write = items.handing_over(run, number, to, until)
        try:
            self._update(write, lambda: self._has(write.key, state="handed-over", to=to, until=until))
        except ConditionFailed as error:
            self._item(write.key)
            why = f"run {run} owes no undo {number}: it was paid, or never owed"
            raise Refused(why, code="undo-not-owed") from error

    def request_stop(self, run: str, by: str, why: str) -> None:
        """Request that a run stops; of several requests the first counts."""
        item = self._item(items.lease_key(run))
        now_ms = self._store.now_ms()
        lease = items.lease_of(item) if item else None
        if lease is None or lease.state != "held" or lease.expires_ms < now_ms:
            raise Refused(f"run {run} cannot be stopped: {_not_live(lease)}", code="run-not-live")
        write = items.stop_request(run, StopRequest(by, items.iso(now_ms), why))
        try:
            self._update(write, lambda: self._has(write.key, stop=write.sets["stop"]))
        except ConditionFailed as error:
            item = self._item(write.key) or {}
            if "stop" not in item:
                raise Refused(f"run {run} has ended in the meantime", code="run-not-live") from error

    def ask_approval(self, run: str, number: int, step: str, question: str, within_ms: int) -> Approval:
        """Request the approval of a step."""
        now_ms = self._store.now_ms()
        approval = Approval(run, number, step, question, items.iso(now_ms), now_ms + within_ms)
        write = items.approval_request(approval, now_ms, self._by)
        try:
            self._update(write, lambda: self._has(write.key, asked=approval.asked, state="pending"))
        except ConditionFailed as error:
            self._item(write.key)
            raise self._contended(f"the request for the approval of {step} was not written") from error
        return approval

    def answer_approval(self, run: str, number: int, state: ApprovalState, by: str) -> Approval:
        """Approve or refuse a step; the first answer counts."""
        write = items.approval_answer(run, number, state, by, self._store.now_ms())
        with contextlib.suppress(ConditionFailed):  # it was answered before, or never requested
            self._update(write, lambda: self._has(write.key, state=state, answered_by=by))
        if (item := self._item(write.key)) is None:
            raise Refused(f"run {run} has not requested the approval {number}", code="approval-not-pending")
        return items.approval_of(item)

    def put_note(self, kind: str, key: str, facts: Mapping[str, Any]) -> None:
        """Store facts under a key."""
        write = items.note_write(kind, key, facts, self._store.now_ms(), self._by)
        try:
            self._update(write, lambda: self._has(write.key, facts=write.sets["facts"]))
        except ConditionFailed as error:
            self._item(write.key)
            raise self._contended(f"the {kind} {key} was not written") from error

    def note(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """Read the facts of a key; None when there are none."""
        item = self._item(items.note_key(kind, key))
        return items.facts_of(item) if item else None

    def _take(self, request: LeaseRequest, resources: Collection[str], stale: Lease | None) -> Lease:
        token = uuid.uuid4().hex
        for _ in range(_ROUNDS):
            observed = self._observe(resources, also=(request.run, *([stale.run] if stale else ())))
            _refuse(request, observed, resources, stale, str(self._store))
            now_ms = self._store.now_ms()
            lease = items.new_lease(request, resources, token, now_ms)
            taken = observed.leases[stale.run] if stale else None
            writes = items.acquisition(lease, observed.holders, observed.owing(), now_ms, self._by, taken)
            try:
                self._transact(writes, lambda: self._has(items.lease_key(request.run), token=token))
                return lease
            except ConditionFailed:
                continue
        raise self._contended(f"run {request.run} did not get the lease")

    def _observe(self, resources: Collection[str], also: Iterable[str] = ()) -> _Observed:
        """Read the items of the resources, then those of the runs that they name.

        :param also: further runs to read.
        """
        keys = {resource: items.resource_key(resource) for resource in sorted(resources)}
        found = zip(keys, self._store.get(list(keys.values())) if keys else (), strict=True)
        holders = {resource: self._readable(item) for resource, item in found if item}
        named = {str(item["run"]) for item in holders.values() if "token" in item}
        runs = sorted({*named, *also, *(run for item in holders.values() for run in item.get("owing", ()))})
        read = {run: self._store.partition(items.run_partition(run)) for run in runs}
        of_runs = [self._readable(item) for run in runs for item in read[run]]
        leases = {str(item["run"]): item for item in of_runs if item[items.SORT_KEY] == items.LEASE}
        undos = tuple(items.undo_of(item) for item in of_runs if items.is_undo(item))
        approvals = tuple(items.approval_of(item) for item in of_runs if items.is_approval(item))
        return _Observed(self._store.now_ms(), holders, leases, undos, approvals)

    def _transact(self, writes: Sequence[items.ItemWrite], is_made: Callable[[], bool]) -> None:
        _certainly(lambda: self._store.transact(writes), is_made)

    def _update(self, write: items.ItemWrite, is_made: Callable[[], bool]) -> None:
        _certainly(lambda: self._store.update(write), is_made)

    def _item(self, key: items.Key) -> Item | None:
        item = self._store.get([key])[0]
        return None if item is None else self._readable(item)

    def _has(self, key: items.Key, **values: Any) -> bool:
        item = self._item(key) or {}
        return all(item.get(name) == value for name, value in values.items())

    def _is_released(self, lease: Lease) -> bool:
        return self._has(items.lease_key(lease.run), token=lease.token, state="released")

    def _readable(self, item: Item) -> Item:
        return items.require_readable(item, str(self._store))

    def _lost(self, lease: Lease) -> LeaseEnded:
        item = self._item(items.lease_key(lease.run)) or {}
        taken_by = item.get("taken_by")
        why = f"run {taken_by} has taken it over" if taken_by else f"it is {item.get('state', 'deleted')}"
        return LeaseEnded(f"run {lease.run} no longer holds its lease in {self._store}: {why}", code="lease-lost")

    def _contended(self, what: str) -> CannotSee:
        why = "other processes changed the same items each time: try again"
        return CannotSee(f"{what} in {self._store}: {why}", code="coordination-unreachable")


def _certainly(write: Callable[[], object], is_made: Callable[[], bool]) -> None:
    """Make a write; when its response is lost or a condition fails, read whether it was made.

    :raises CannotSee: when there was no response, and it was not made or that could not be read.
    :raises ConditionFailed: when a condition does not hold, and no earlier attempt made the write.
    """
    try:
        write()
    except (CannotSee, ConditionFailed):
        if not is_made():
            raise


def _refuse(
    request: LeaseRequest, observed: _Observed, resources: Iterable[str], stale: Lease | None, where: str
) -> None:
    """Refuse a lease whose resources another run holds, or owes an undo of.

    :param stale: the expired lease that is taken over, as the caller read it.
    """
    problems = [*_holding(request, observed, resources, stale), *_owing(request, observed)]
    if problems:
        raise Refused(f"{where}: {'; '.join(problems)}", code=problems[0].code, problems=problems)


def _holding(request: LeaseRequest, observed: _Observed, resources: Iterable[str], stale: Lease | None) -> list[Any]:
    problems = []
    if request.run in observed.leases:
        problems.append(problem("lease-held", f"run {request.run} has had its lease already: begin another run"))
    if stale is not None and not _is_unchanged(stale, observed.leases.get(stale.run)):
        why = f"the lease of run {stale.run} was renewed, released or taken over since it was read: read it again"
        problems.append(problem("lease-held", why))
    held: dict[str, list[str]] = {}
    for resource in sorted(resources):
        item = observed.holders.get(resource, {})
        if "token" in item and (stale is None or item["token"] != stale.token):
            held.setdefault(str(item["run"]), []).append(resource)
    return problems + [_held(observed, run, names) for run, names in held.items()]


def _is_unchanged(stale: Lease, item: Item | None) -> bool:
    now = items.lease_of(item) if item else None
    return now is not None and (now.token, now.state, now.expires_ms) == (stale.token, "held", stale.expires_ms)


def _held(observed: _Observed, run: str, resources: Sequence[str]) -> Any:
    item = observed.leases.get(run)
    what = f"run {run} holds {', '.join(resources)}"
    if item is None:
        return problem("lease-held", f"{what}, and has no lease")
    lease = items.lease_of(item)
    who = f"{lease.holder.user}@{lease.holder.host}, pid {lease.holder.pid}"
    if lease.expires_ms < observed.now_ms:
        why = _expired(lease)
    else:
        why = f"its lease lasts until {items.iso(lease.expires_ms)} and is renewed: wait until it ends, or stop it"
    return problem("lease-held", f"{what} ({lease.purpose} of {who}): {why}")


def _owing(request: LeaseRequest, observed: _Observed) -> list[Any]:
    return [
        problem("undo-owed", f"run {one.run} owes {one.undo.undo} for {one.undo.step!r}{_payer(one, observed)}")
        for one in observed.owed()
        if not _may_begin_beside(request, one)
    ]


def _may_begin_beside(request: LeaseRequest, undo: RecordedUndo) -> bool:
    """Return whether an owed undo allows a lease, because its holder pays the undo or changes nothing that it
    concerns.
    """
    if undo.state == "handed-over" and request.purpose in _LEAVE_HANDED_OVER:
        return True
    is_accepted = request.purpose == "rescue" or (undo.state == "handed-over" and undo.to == request.experiment)
    return undo.run in request.pays and is_accepted


def _payer(one: RecordedUndo, observed: _Observed) -> str:
    """Return who pays an undo, as the end of a sentence."""
    if one.state == "handed-over":
        return f", which the experiment {one.to!r} pays, until {one.until}"
    item = observed.leases.get(one.run)
    lease = items.lease_of(item) if item else None
    if lease is not None and lease.state == "held" and lease.expires_ms >= observed.now_ms:
        return ", which it pays itself while it goes on"
    return f". `chaosdrill rescue {one.run}` pays it"


def _not_live(lease: Lease | None) -> str:
    if lease is None:
        return "there is no lease of it"
    if lease.state != "held":
        return f"its lease is {lease.state}"
    return _expired(lease)


def _expired(lease: Lease) -> str:
    what_next = f"`chaosdrill rescue {lease.run}` pays what it owes and frees what it holds"
    return f"its lease expired at {items.iso(lease.expires_ms)}. {what_next}"
