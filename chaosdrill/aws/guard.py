"""The account guard: no changing call reaches an account that the topology does not allow.

It hangs in botocore's own event chain, so that an activity cannot forget it.
"""

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.reach import Reach
from chaosdrill.errors import CannotSee, Refused

_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Head", "Search", "Lookup")
_lock = threading.Lock()
_account_of: dict[Reach, str] = {}


def changes_something(operation: str) -> bool:
    """:returns: whether the AWS operation of that name is anything but a read."""
    return not operation.startswith(_READS)


def guard_account(client: Any, reach: Reach, sts: Callable[[], Any]) -> None:
    """Let ``client`` change things only in the accounts of ``reach``.

    :param sts: gives an STS client with the same credentials.
    """

    def check(model: Any, **_: Any) -> None:
        if changes_something(model.name):
            refuse_other_accounts(reach, sts, model.name)

    client.meta.events.register("before-call", check)


def account_of(reach: Reach, sts: Callable[[], Any]) -> str:
    """:returns: the account that the credentials belong to, read once.

    :raises CannotSee: when it cannot be read.
    """
    with _lock:
        if reach not in _account_of:
            try:
                _account_of[reach] = str(sts().get_caller_identity()["Account"])
            except (ClientError, BotoCoreError) as error:
                why = f"the account of the AWS credentials ({reach}) could not be read from STS: {error}"
                raise CannotSee(why, code="account-unreadable") from error
        return _account_of[reach]


def refuse_other_accounts(reach: Reach, sts: Callable[[], Any], what: str) -> None:
    """:raises Refused: when the credentials' account is not one that the topology allows."""
    account = account_of(reach, sts)
    if account not in reach.accounts:
        allowed = f"only {', '.join(reach.accounts)}" if reach.accounts else "none"
        raise Refused(
            f"{what} was not sent: the credentials ({reach}) belong to account {account}, and the topology allows "
            f"{allowed}: use the right profile, or add the account under `accounts:`",
            code="account-not-allowed",
        )
