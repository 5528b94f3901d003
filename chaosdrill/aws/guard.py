"""The account guard: no request that changes something is signed for an account that the topology does not allow.

It uses botocore's event system, so that no activity can omit it. It tracks the account of each key, not of each
profile: a profile, a role and a program can give other keys when they are renewed, between two requests and between a
request and its retry. The keys that were checked are those that sign.
"""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill import history
from chaosdrill.aws.access import Reach
from chaosdrill.aws.credentials import SigningKeys
from chaosdrill.aws.polling import end_step_if_stopped
from chaosdrill.errors import AccountChanged, CannotSee, Refused

_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Head", "Search", "Lookup", "Simulate", "TransactGet")
_RENEWALS = 3  # how often the keys may change before STS has reported their account
_NO_KEY = ""  # a session without credentials, which replays recorded responses
_lock = threading.Lock()
_account_of: dict[tuple[Reach, str], str] = {}  # by the id of the access key
_first_key: dict[Reach, str] = {}

Sts = Callable[[], Any]


def changes_something(operation: str) -> bool:
    """Return whether the AWS operation of that name is anything but a read."""
    return not operation.startswith(_READS)


def attempts_sent(request: Any) -> int:
    """Return how many attempts of a call were sent before the present one."""
    return int((request.context.get("retries") or {}).get("attempt", 1)) - 1


def guard_account(client: Any, keys: SigningKeys, sts: Sts) -> None:
    """Allow ``client`` to change resources only in the accounts of its reach, and to read from one account only.

    Reads need no permission of the topology, so that a topology can be written and checked. But keys that replace
    others during a drill must be of an allowed account for reads, too: another account may have resources of the same
    names.

    :param sts: creates an STS client of the same session.
    """
    guard = _Guard(keys, sts)
    client.meta.events.register("before-call", guard.before_call)
    client.meta.events.register("before-sign", guard.before_sign)


class _Guard:
    def __init__(self, keys: SigningKeys, sts: Sts) -> None:
        self._keys, self._sts = keys, sts

    def before_call(self, model: Any, **_: Any) -> None:
        """Refuse a call before anything of it is recorded.

        :raises Refused: as :meth:`before_sign` does.
        :raises AccountChanged: likewise.
        """
        if changes_something(model.name):
            self._allowed_keys(model.name, 0)

    def before_sign(self, request: Any, operation_name: str, **_: Any) -> None:
        """Check the account of each attempt of a request before it is signed, and sign with exactly those keys.

        :raises Refused: when it would change something in an account that is not allowed.
        :raises AccountChanged: the same, when something may have been changed before: by an earlier attempt of the
            request, or by a step of the drill.
        :raises SystemExit: in a background step, when it would change something after the drill was stopped.
        :raises CannotSee: when it would read from another account than earlier requests.
        """
        if changes_something(operation_name):
            end_step_if_stopped()
        if (keys := self._keys.current()) is None:
            return  # botocore reports the missing credentials
        if changes_something(operation_name):
            keys = self._allowed_keys(operation_name, attempts_sent(request))
        elif self._may_be_of_another_account(keys):
            try:
                keys = refuse_other_accounts(self._keys, self._sts, operation_name)
            except Refused as error:
                raise CannotSee(str(error), code=error.code) from error
        sign_with(request, keys)

    def _allowed_keys(self, operation: str, sent: int) -> Credentials | None:
        """Check the account for which a change is about to be signed.

        :param sent: how many attempts of the request were sent before.
        """
        try:
            return refuse_other_accounts(self._keys, self._sts, operation)
        except Refused as refusal:
            if not sent and not history.has_begun_steps():
                raise
            before = f"; attempts sent before, which may have been carried out: {sent}" if sent else ""
            what_next = "read the state of the system before anything builds on it"
            raise AccountChanged(f"{refusal}{before}: {what_next}", attempts_sent=sent) from refusal

    def _may_be_of_another_account(self, keys: Credentials) -> bool:
        reach = self._keys.reach
        first = _first_key.setdefault(reach, keys.access_key)
        return bool(reach.accounts) and keys.access_key != first


def sign_with(request: Any, keys: Credentials | None) -> None:
    """Sign a request with ``keys``, even if the session's keys change meanwhile."""
    request.context.setdefault("signing", {})["request_credentials"] = keys


def learn_accounts(sts: Any, keys: SigningKeys) -> None:
    """Make an STS client remember the account of the key that signed each GetCallerIdentity."""

    def before_sign(request: Any, **_: Any) -> None:
        sign_with(request, keys.current())

    def after_call(parsed: Any, context: Any, **_: Any) -> None:
        if "Account" in parsed:
            signed_with = context.get("signing", {}).get("request_credentials")
            # a replayed recording is signed with no key: its account counts as the session's
            _account_of[keys.reach, _id(signed_with or keys.current())] = str(parsed["Account"])

    sts.meta.events.register("before-sign", before_sign)
    sts.meta.events.register("after-call.sts.GetCallerIdentity", after_call)


def account_of(keys: SigningKeys, sts: Sts) -> str:
    """Return the account that the credentials belong to, read once for each key.

    :raises CannotSee: when it cannot be read.
    """
    return _identified(keys, sts)[1]


def _identified(keys: SigningKeys, sts: Sts) -> tuple[Credentials | None, str]:
    """Return the present keys and their account."""
    for _ in range(_RENEWALS):
        current = keys.current()
        with _lock:
            if (account := _account_of.get((keys.reach, _id(current)))) is not None:
                return current, account
            _ask(keys, sts)
    why = f"the AWS credentials ({keys.reach}) are others with each request: check what renews them"
    raise CannotSee(why, code="account-unreadable")


def _ask(keys: SigningKeys, sts: Sts) -> None:
    try:
        # its deadline does not change that of the original call
        copy_context().run(lambda: sts().get_caller_identity())
    except (ClientError, BotoCoreError) as error:
        why = f"the account of the AWS credentials ({keys.reach}) could not be read from STS: {error}"
        raise CannotSee(why, code="account-unreadable") from error


def refuse_other_accounts(keys: SigningKeys, sts: Sts, what: str) -> Credentials | None:
    """Check the account of the credentials. If it is not allowed, renew them and check again.

    :param what: the operation that is about to be sent.
    :returns: the keys that were checked.
    :raises Refused: when their account is not one that the topology allows.
    """
    allowed = keys.reach.accounts
    current, account = _identified(keys, sts)
    if account not in allowed:
        keys.renew()
        current, account = _identified(keys, sts)
    if account not in allowed:
        only = f"only {', '.join(allowed)}" if allowed else "none"
        raise Refused(
            f"{what} was not sent: the credentials ({keys.reach}) belong to account {account}, and the topology "
            f"allows {only}: use the right profile, or add the account under `accounts:`",
            code="account-not-allowed",
        )
    return current


def _id(keys: Credentials | None) -> str:
    return _NO_KEY if keys is None else str(keys.access_key)
