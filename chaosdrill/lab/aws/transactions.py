"""Conflicts of DynamoDB's transactions: a request for an item that another transaction is writing is refused, not
queued.

:source:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.exceptions import TransactionCanceledException

from chaosdrill.lab.aws.errors import AwsError

WRITES = ("PutItem", "UpdateItem", "DeleteItem")
WRITE, TRANSACT_WRITE, TRANSACT_GET = "write", "TransactWriteItems", "TransactGetItems"
CONFLICT = "TransactionConflict"
_MESSAGE = "Transaction is ongoing for the item"
# kinds of ongoing requests that conflict with a new request
_IN_THE_WAY = {WRITE: (TRANSACT_WRITE,), TRANSACT_WRITE: (TRANSACT_WRITE,), TRANSACT_GET: (TRANSACT_WRITE, WRITE)}

KeysOf = Callable[[str], Sequence[str]]  # the names of a table's key attributes


@dataclass(frozen=True, eq=False)
class TransactionRequest:
    """A request, with the items that it reads or writes, in order."""

    kind: str
    items: tuple[str, ...]


def request_of(place: str, operation: str, parameters: Mapping[str, Any], keys_of: KeysOf) -> TransactionRequest | None:
    """Return a request with its items; None for one that cannot conflict with a transaction.

    :param place: account and region.
    """
    if operation in (TRANSACT_WRITE, TRANSACT_GET):
        parts: list[Mapping[str, Any]] = [
            next(iter(one.values()), {}) for one in parameters.get("TransactItems") or () if one
        ]
        return TransactionRequest(operation, tuple(_item(place, part, keys_of) for part in parts))
    return TransactionRequest(WRITE, (_item(place, parameters, keys_of),)) if operation in WRITES else None


def _item(place: str, part: Mapping[str, Any], keys_of: KeysOf) -> str:
    table = str(part.get("TableName"))
    attributes = part.get("Key") or part.get("Item") or {}
    key = {name: attributes.get(name) for name in keys_of(table)}
    return json.dumps([place, table, key], sort_keys=True, default=str)


class Ongoing:
    """The requests that are being executed; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[TransactionRequest] = []

    @contextmanager
    def entered(self, request: TransactionRequest) -> Iterator[tuple[bool, ...]]:
        """Register a request as ongoing for the length of the block, unless another one conflicts with it.

        :returns: for each of its items, whether it conflicts.
        """
        with self._lock:
            rivals = [one for one in self._requests if one.kind in _IN_THE_WAY[request.kind]]
            taken = {item for one in rivals for item in one.items}
            conflicts = tuple(item in taken for item in request.items)
            if not any(conflicts):
                self._requests.append(request)
        try:
            yield conflicts
        finally:
            with self._lock:
                self._requests = [one for one in self._requests if one is not request]


def refuse(kind: str, conflicts: Sequence[bool]) -> None:
    """Refuse a request that conflicts, as DynamoDB does.

    :raises TransactionCanceledException: when it is a transaction.
    :raises AwsError: ``TransactionConflictException`` otherwise.
    """
    if not any(conflicts):
        return
    if kind == WRITE:
        raise AwsError(f"{CONFLICT}Exception", _MESSAGE)
    raise TransactionCanceledException([(CONFLICT, _MESSAGE, None) if one else (None, None, None) for one in conflicts])
