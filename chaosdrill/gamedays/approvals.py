"""Approvals of occurrences: of exactly one plan, by somebody other than who starts it, revocable until the start.

An approval is an item of coordination's store, with the partition key ``gameday-approval#OCCURRENCE`` and the sort key
``approver#PRINCIPAL``. It never expires. Whoever may write the store can forge an unsigned approval; a signed one is
verified at each reading.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from chaosdrill.coordination import items
from chaosdrill.coordination.interface import SCHEMA
from chaosdrill.coordination.items import Item, ItemWrite, Key, Value
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import CannotSee, Refused
from chaosdrill.gamedays.calendar import ApprovalRule, GameDay, Occurrence
from chaosdrill.gamedays.identities import SSH, is_allowed, is_same, normalized
from chaosdrill.gamedays.plans import canonical, digest_of, plan_digest, plan_of
from chaosdrill.runs.archive.signing import sign, signing_key

NAMESPACE = "chaosdrill-approval"  # a signature that was made for something else is refused
MINUTE_MS = 60_000
BY_HAND_MS = 24 * 60 * MINUTE_MS  # for how long one run by hand stays approved
State = Literal["approved", "revoked", "started"]


@dataclass(frozen=True)
class OccurrenceApproval:
    """One person's approval of one occurrence.

    :param digest: of the plan that was approved (:func:`chaosdrill.gamedays.plans.plan_digest`).
    :param by: the principal that approved it, see :mod:`chaosdrill.gamedays.identities`.
    :param account: the principal of the process that wrote it; another one than ``by`` when it is signed.
    :param name: what the person typed; nobody has verified it.
    :param at_ms: when, by the store's clock, in milliseconds since 1970.
    :param statement: what was approved, as canonical JSON.
    :param signature: of the statement, as ``ssh-keygen -Y sign`` writes it; empty: it is not signed.
    :param is_verified: whether the signature is that of ``by``; an unsigned approval needs none.
    :param revoked_by: the principal that revoked it.
    :param started_for: the key of the occurrence that has used it.
    """

    occurrence: Occurrence
    digest: str
    by: str
    account: str
    name: str
    at_ms: int
    statement: str
    signature: str = ""
    state: State = "approved"
    is_verified: bool = True
    revoked_by: str = ""
    started_for: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, with the statement and the signature for an offline check."""
        return {
            "occurrence": name_of(self.occurrence),
            "digest": self.digest,
            "by": self.by,
            "account": self.account,
            "unverified_name": self.name,
            "at": items.iso(self.at_ms),
            "state": self.state,
            "revoked_by": self.revoked_by,
            "started_for": self.started_for,
            "verified": self.is_verified,
            "statement": self.statement,
            "signature": self.signature,
        }


@dataclass(frozen=True)
class Decision:
    """Whether an occurrence may start.

    :param approval: the one that counts; None when there is none, or none is required.
    :param code: why not, as one of the ``approval-…`` codes; empty when it may.
    :param why: why not, as a sentence.
    """

    approval: OccurrenceApproval | None = None
    code: str = ""
    why: str = ""

    @property
    def is_approved(self) -> bool:
        """Whether nothing speaks against the start."""
        return not self.code


def next_by_hand(game_day: str) -> Occurrence:
    """Return what stands for the next run of a game day by hand: its instant is not known when it is approved.

    :param game_day: its id.
    """
    return Occurrence(game_day, 0)


def decide(
    rule: ApprovalRule | None,
    occurrence: Occurrence,
    digest: str,
    operator: str,
    approvals: Iterable[OccurrenceApproval],
    by_hand: bool = False,
    now_ms: int = 0,
) -> Decision:
    """Decide whether an occurrence is approved. Pure.

    :param rule: None: no approval is required.
    :param digest: of the plan as it would be started now.
    :param operator: the principal of the process that starts it.
    :param approvals: all that were given for the occurrence.
    :param by_hand: whether a person starts it rather than the schedule: an approval that was written by the same
        account does not count then, not even a signed one; that of the next run by hand does.
    :param now_ms: the store's time.
    """
    if rule is None:
        return Decision()
    newest_first = sorted(approvals, key=lambda one: one.at_ms, reverse=True)
    relevant = [one for one in newest_first if one.occurrence == occurrence or (by_hand and _is_unused(one, now_ms))]
    judged = [_judged(rule, digest, operator, one, by_hand) for one in relevant]
    if approved := [one for one in judged if one.is_approved]:
        return approved[0]
    why = f"{occurrence.key} needs an approval by {' or '.join(rule.by)}"
    refusals = [*judged, Decision(code="approval-missing", why=why)]
    return next((one for one in refusals if one.code != "approval-missing"), refusals[0])


def _is_unused(approval: OccurrenceApproval, now_ms: int) -> bool:
    """Tell whether an approval is of the next run by hand."""
    is_new = approval.at_ms >= now_ms - BY_HAND_MS
    return _is_by_hand(approval.occurrence) and is_new and approval.state != "started"


def _judged(rule: ApprovalRule, digest: str, operator: str, approval: OccurrenceApproval, by_hand: bool) -> Decision:
    """Judge one approval."""
    given = f"the approval of {name_of(approval.occurrence)} by {approval.by}"
    if approval.state == "revoked":
        return Decision(code="approval-missing", why=f"{given} was revoked by {approval.revoked_by}")
    if approval.state == "started":
        return Decision(code="approval-started", why=f"{given} has been used: its drill has started")
    if not approval.is_verified:
        return Decision(code="approval-signature-invalid", why=f"{given} has no valid signature of that key")
    if not is_allowed(approval.by, rule.by):
        why = f"{given} does not count: the calendar allows {', '.join(rule.by)}"
        return Decision(code="approval-not-allowed", why=why)
    if is_same(approval.by, operator) or (by_hand and is_same(approval.account, operator)):
        return Decision(code="approval-own", why=f"{given} does not count: the same principal starts the drill")
    if not _is_by_hand(approval.occurrence) and approval.at_ms > latest_ms(rule, approval.occurrence):
        why = f"{given} came at {items.iso(approval.at_ms)}, later than {rule.until_min} min before the planned instant"
        return Decision(code="approval-late", why=why)
    if approval.digest != digest:
        why = f"{given} is of {approval.digest}, and the plan is {digest} now: it was edited since, approve it again"
        return Decision(code="approval-void", why=why)
    return Decision(approval)


def read_decision(
    store: ItemStore, game_day: GameDay, occurrence: Occurrence, operator: str, by_hand: bool = False
) -> Decision:
    """Read whether an occurrence may start with the plan as it is now; nothing is read where no approval is required.

    :raises BadInput: ``plan-unreadable``.
    :raises CannotSee: when the store cannot be read.
    """
    if game_day.approval is None:
        return Decision()
    given = read_approvals(store, occurrence)
    if by_hand:
        given += read_approvals(store, next_by_hand(game_day.id))
    return decide(game_day.approval, occurrence, plan_digest(game_day), operator, given, by_hand, store.now_ms())


def latest_ms(rule: ApprovalRule, occurrence: Occurrence) -> int:
    """Return until when an occurrence can be approved, in milliseconds since 1970."""
    return occurrence.planned_ms - rule.until_min * MINUTE_MS


def read_approvals(store: ItemStore, occurrence: Occurrence) -> tuple[OccurrenceApproval, ...]:
    """Read every approval that was given for an occurrence, revoked ones too; signatures are verified.

    :raises CannotSee: when the store cannot be read, or an item is invalid (``coordination-invalid``).
    """
    return tuple(_verified(_approval_of(item, occurrence)) for item in store.partition(_partition(occurrence)))


def approve(
    store: ItemStore, game_day: GameDay, occurrence: Occurrence, account: str, name: str = "", key: Path | None = None
) -> OccurrenceApproval:
    """Approve an occurrence with the plan as it is now. A repeated approval replaces the one of the same principal.

    :param account: the principal of this process (:func:`chaosdrill.gamedays.identities.principal_of_process`).
    :param name: what the person typed; it is shown as unverified.
    :param key: the SSH key that signs the approval, whose owner is the approver then; None: it is not signed.
    :raises Refused: when the approval would not count: ``approval-not-allowed``, ``approval-late``; or when the drill
        has started (``approval-started``).
    :raises BadInput: when the plan cannot be read (``plan-unreadable``), or the key cannot sign.
    """
    plan = plan_of(game_day)
    at_ms = store.now_ms()
    statement = statement_of(occurrence, plan, at_ms)
    signature = sign(statement, key, NAMESPACE) if key else b""
    by = f"{SSH}{signing_key(statement, signature, NAMESPACE)}" if signature else normalized(account)
    texts = (name, at_ms, statement.decode(), signature.decode())
    approval = OccurrenceApproval(occurrence, digest_of(plan), by, normalized(account), *texts)
    _require_it_counts(game_day.approval, approval)
    try:
        store.update(_approval_write(approval))
    except ConditionFailed as error:
        why = f"{name_of(occurrence)} has started: it cannot be approved again"
        raise Refused(why, code="approval-started") from error
    return approval


def statement_of(occurrence: Occurrence, plan: dict[str, Any], at_ms: int) -> bytes:
    """Return what an approval states, and what is signed: the occurrence, and the plan with its digest."""
    game_day, _, planned = name_of(occurrence).rpartition("@")
    named = {"approves": "chaosdrill game day", "version": 1, "game_day": game_day, "planned": planned}
    return canonical({**named, "digest": digest_of(plan), "plan": plan, "at": items.iso(at_ms)})


def revoke(store: ItemStore, occurrence: Occurrence, by: str) -> tuple[OccurrenceApproval, ...]:
    """Revoke every approval of an occurrence. Anyone may: without one the drill does not start.

    :param by: the principal that revokes them.
    :returns: those that stood until now.
    :raises Refused: ``approval-missing``: there is none; ``approval-started``: the drill has started with one of them.
    """
    given = read_approvals(store, occurrence)
    standing = [one for one in given if one.state == "approved"]
    if any(one.state == "started" for one in given) and not _is_by_hand(occurrence):
        why = f"{occurrence.key} has started: `chaosdrill stop` ends it with its rollbacks"
        raise Refused(why, code="approval-started")
    if not standing:
        raise Refused(f"{name_of(occurrence)} has no approval that could be revoked", code="approval-missing")
    for one in standing:
        try:
            store.update(ItemWrite(_key(one), {"state": "revoked", "revoked_by": by}, when=_unstarted()))
        except ConditionFailed as error:
            why = f"{name_of(occurrence)} has started meanwhile: `chaosdrill stop` ends it with its rollbacks"
            raise Refused(why, code="approval-started") from error
    return tuple(replace(one, state="revoked", revoked_by=by) for one in standing)


def start_write(approval: OccurrenceApproval, occurrence: Occurrence) -> ItemWrite:
    """Return the write with which an occurrence uses an approval. It belongs into the transaction that claims it.

    The transaction fails when the approval was revoked or replaced since it was read, so a drill never starts with an
    approval that no longer stands, and none is revoked that a drill has started with.
    """
    same = ((items.equals("digest", approval.digest),), (items.equals("approved_ms", approval.at_ms),))
    sets: dict[str, Value] = {"state": "started", "started_for": occurrence.key}
    return ItemWrite(_key(approval), sets, when=(*_standing(), *same))


def used_approvals(store: ItemStore, occurrence: Occurrence, by_hand: bool) -> tuple[OccurrenceApproval, ...]:
    """Read the approvals with which the drill of an occurrence has started.

    :param by_hand: whether a person has started it.
    :raises CannotSee: when the store cannot be read.
    """
    given = read_approvals(store, occurrence)
    if by_hand:
        given += read_approvals(store, next_by_hand(occurrence.game_day))
    return tuple(one for one in given if one.started_for == occurrence.key)


def require_approved_plan(store: ItemStore, game_day: GameDay, occurrence: Occurrence, by_hand: bool) -> None:
    """Check just before a drill starts that its plan is the one with whose approval the occurrence was claimed.

    The guards may have taken minutes since then, and the calendar was read again.

    :raises Refused: ``approval-void``: a file, a variable or the window was edited meanwhile; ``approval-missing``: the
        calendar requires an approval now.
    :raises BadInput: ``plan-unreadable``.
    :raises CannotSee: when the store cannot be read.
    """
    used = used_approvals(store, occurrence, by_hand)
    if not used and game_day.approval is not None:
        raise Refused(f"{occurrence.key} was claimed without an approval", code="approval-missing")
    digest = plan_digest(game_day) if used else ""
    if any(one.digest != digest or not one.is_verified for one in used):
        why = (
            f"the plan of {occurrence.key} is {digest} now, and {used[0].digest} was approved: it was edited meanwhile"
        )
        raise Refused(why, code="approval-void")


def _require_it_counts(rule: ApprovalRule | None, approval: OccurrenceApproval) -> None:
    if rule is None:
        why = f"the game day {approval.occurrence.game_day} requires no approval: add `approval: {{by: […]}}` to it"
        raise Refused(why, code="approval-not-allowed")
    found = _judged(rule, approval.digest, "", approval, by_hand=False)
    if not found.is_approved:
        raise Refused(found.why, code=found.code)


def _approval_write(approval: OccurrenceApproval) -> ItemWrite:
    texts = {name: getattr(approval, name) for name in ("digest", "account", "name", "statement", "signature")}
    sets = {**items.stamp(approval.by, approval.at_ms), **texts, "state": "approved", "approved_ms": approval.at_ms}
    return ItemWrite(_key(approval), sets, ("revoked_by",), (items.NOT_NEWER, *_unstarted()))


def _standing() -> tuple[tuple[items.Condition, ...], ...]:
    return items.NOT_NEWER, (items.equals("state", "approved"),)


def _unstarted() -> tuple[tuple[items.Condition, ...], ...]:
    return ((items.absent("state"), items.equals("state", "approved"), items.equals("state", "revoked")),)


def _is_by_hand(occurrence: Occurrence) -> bool:
    return occurrence == next_by_hand(occurrence.game_day)


def name_of(occurrence: Occurrence) -> str:
    """Return an occurrence as one word, also the next run by hand."""
    return f"{occurrence.game_day}@by-hand" if _is_by_hand(occurrence) else occurrence.key


def _partition(occurrence: Occurrence) -> str:
    return f"gameday-approval#{name_of(occurrence)}"


def _key(approval: OccurrenceApproval) -> Key:
    """Return the key of an approval: one for each principal; of runs by hand one for each time."""
    principal = f"approver#{approval.by}"
    is_by_hand = _is_by_hand(approval.occurrence)
    return _partition(approval.occurrence), f"{principal}#{approval.at_ms}" if is_by_hand else principal


def _approval_of(item: Item, occurrence: Occurrence) -> OccurrenceApproval:
    try:
        if int(item.get("schema", SCHEMA)) > SCHEMA:
            why = (
                f"an approval of {name_of(occurrence)} was written by a newer version: install {item['needs']} or newer"
            )
            raise Refused(why, code="coordination-newer")
        return OccurrenceApproval(
            occurrence,
            digest=str(item["digest"]),
            by=str(item["by"]),
            account=str(item["account"]),
            name=str(item["name"]),
            at_ms=int(item["approved_ms"]),
            statement=str(item["statement"]),
            signature=str(item["signature"]),
            state=item["state"],
            revoked_by=str(item.get("revoked_by", "")),
            started_for=str(item.get("started_for", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        why = f"an approval of {name_of(occurrence)} is invalid ({type(error).__name__}: {error}): remove the item"
        raise CannotSee(why, code="coordination-invalid") from error


def _verified(approval: OccurrenceApproval) -> OccurrenceApproval:
    """Verify that the statement is of the occurrence and the digest, and a signature of the statement."""
    is_signed = approval.by.startswith(SSH)
    is_verified = _states(approval) and (not is_signed or approval.by == f"{SSH}{_key_of(approval)}")
    return replace(approval, is_verified=is_verified)


def _key_of(approval: OccurrenceApproval) -> str:
    return signing_key(approval.statement.encode(), approval.signature.encode(), NAMESPACE)


def _states(approval: OccurrenceApproval) -> bool:
    """Tell whether the statement, which is what is signed, says what the item says."""
    try:
        stated = json.loads(approval.statement)
        named = f"{stated['game_day']}@{stated['planned']}"
        digests = {stated["digest"], digest_of(stated["plan"]), approval.digest}
        return named == name_of(approval.occurrence) and len(digests) == 1
    except (KeyError, TypeError, ValueError):
        return False
