"""Coordination in a DynamoDB table: one single-region table with strongly consistent reads and conditional writes.

A global table would not do: its replicas accept conditional writes that contradict each other.

:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

import random
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import deadlines
from chaosdrill.coordination import items
from chaosdrill.coordination.clock import ServiceClock
from chaosdrill.coordination.items import Condition, Item, ItemWrite, Key, Value
from chaosdrill.coordination.store import ConditionFailed
from chaosdrill.errors import CannotSee, DrillError, Refused
from chaosdrill.topology.model import CoordinationTable

CALL_S = 12.0  # timeout of one call with all its tries; a try has 5 s
_CONFLICT_PAUSE_S = (0.02, 0.2)  # pause before the same items are written again: from, to
_FAILED = "ConditionalCheckFailed"
# another write of the same items is in progress, or the table is throttled: a retry may succeed
_PASSING = ("TransactionConflict", "TransactionInProgress", "ThrottlingError", "ProvisionedThroughputExceeded")
_SIGNS = {"equals": "=", "at-most": "<="}

T = TypeVar("T")


class TableStore:
    """Items in the table that a topology names.

    :param client: a DynamoDB client in the table's region.
    """

    def __init__(self, client: Any, table: CoordinationTable) -> None:
        self._client, self._table, self._clock = client, table, ServiceClock()

    def __str__(self) -> str:
        return f"table {self._table.table} ({self._table.region})"

    def now_ms(self) -> int:
        """Return DynamoDB's time, in milliseconds since 1970."""
        if self._clock.now_ms() is None:
            self.get([("clock", "clock")])
        if (now_ms := self._clock.now_ms()) is None:
            raise self._unreachable("its responses have no readable date")
        return now_ms

    def get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Read items, all as they were at one moment; None for one that does not exist."""
        gets = [{"Get": {"TableName": self._table.table, "Key": _key(key)}} for key in keys]
        response = self._call(lambda: self._client.transact_get_items(TransactItems=gets))
        found = [_item(one["Item"]) if one and one.get("Item") else None for one in response.get("Responses") or []]
        if len(found) != len(keys):
            raise self._unreachable(f"it returned {len(found)} items instead of {len(keys)}")
        return found

    def partition(self, partition: str) -> list[Item]:
        """Read all items of a partition, in the order of their sort keys."""
        query: dict[str, Any] = {
            "TableName": self._table.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#key = :key",
            "ExpressionAttributeNames": {"#key": items.PARTITION_KEY},
            "ExpressionAttributeValues": {":key": {"S": partition}},
        }
        found: list[Item] = []
        while True:
            response = self._call(lambda: self._client.query(**query))
            found += map(_item, response.get("Items") or [])
            if not (last := response.get("LastEvaluatedKey")):
                return found
            if last == query.get("ExclusiveStartKey"):
                raise self._unreachable("it returns the same page repeatedly")
            query["ExclusiveStartKey"] = last

    def update(self, write: ItemWrite) -> Item:
        """Apply one write.

        :raises ConditionFailed: when a condition does not hold.
        """
        update = {**update_of(write, self._table.table), "ReturnValues": "ALL_NEW"}
        return _item(self._call(lambda: self._client.update_item(**update)).get("Attributes") or {})

    def transact(self, writes: Sequence[ItemWrite]) -> None:
        """Apply several writes together.

        :raises ConditionFailed: when a condition does not hold.
        """
        updates = [{"Update": update_of(write, self._table.table)} for write in writes]
        token = uuid.uuid4().hex  # a repeated try is carried out once
        self._call(lambda: self._client.transact_write_items(TransactItems=updates, ClientRequestToken=token))

    def _call(self, request: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Call DynamoDB, and try again while another write of the same items is in progress.

        The caller's deadline does not apply: a lease is renewed no matter what its drill waits for.
        """
        ends_s = time.monotonic() + CALL_S
        with deadlines.within(CALL_S):
            while True:
                try:
                    return self._dated(request())
                except ClientError as error:
                    self._dated(error.response)
                    reasons = _reasons(error)
                    if _FAILED in reasons:
                        raise ConditionFailed from error
                    pause_s = random.uniform(*_CONFLICT_PAUSE_S)
                    if not any(reason in _PASSING for reason in reasons) or time.monotonic() + pause_s > ends_s:
                        raise self._unreachable(_with_advice(error)) from error
                    time.sleep(pause_s)
                except Refused:
                    raise
                except (BotoCoreError, DrillError) as error:
                    raise self._unreachable(str(error)) from error

    def _dated(self, response: Mapping[str, Any]) -> Mapping[str, Any]:
        self._clock.notice((response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {})
        return response

    def _unreachable(self, why: str) -> CannotSee:
        return CannotSee(f"{self} could not be read or written: {why}", code="coordination-unreachable")


def update_of(write: ItemWrite, table: str) -> dict[str, Any]:
    """Return the parameters of the UpdateItem that makes a write.

    Every name has a placeholder: many are reserved words.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    sets = ", ".join(f"{_name(names, name)} = {_value(values, value)}" for name, value in write.sets.items())
    removes = ", ".join(_name(names, name) for name in write.removes)
    when = " AND ".join(f"({' OR '.join(_test(one, names, values) for one in choice)})" for choice in write.when)
    return {
        "TableName": table,
        "Key": _key(write.key),
        "UpdateExpression": " ".join(f"{verb} {what}" for verb, what in (("SET", sets), ("REMOVE", removes)) if what),
        **({"ConditionExpression": when} if when else {}),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _test(condition: Condition, names: dict[str, str], values: dict[str, Any]) -> str:
    name = _name(names, condition.attribute)
    if condition.operator == "absent":
        return f"attribute_not_exists({name})"
    if condition.operator == "present":
        return f"attribute_exists({name})"
    return f"{name} {_SIGNS[condition.operator]} {_value(values, condition.value)}"


def _name(names: dict[str, str], name: str) -> str:
    names[f"#{name}"] = name
    return f"#{name}"


def _value(values: dict[str, Any], value: Value) -> str:
    placeholder = f":v{len(values)}"
    values[placeholder] = _typed(value)
    return placeholder


def _key(key: Key) -> dict[str, Any]:
    return {items.PARTITION_KEY: {"S": key[0]}, items.SORT_KEY: {"S": key[1]}}


def _typed(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"N": str(value)} if isinstance(value, int) else {"SS": sorted(value)}


def _item(typed: Mapping[str, Mapping[str, Any]]) -> Item:
    return {name: _untyped(value) for name, value in typed.items()}


def _untyped(value: Mapping[str, Any]) -> Any:
    """Return a value; a value of a type that is never written here is returned unchanged, and its reader refuses it."""
    if "S" in value:
        return value["S"]
    if "SS" in value:
        return frozenset(value["SS"])
    number = str(value.get("N", ""))
    return int(number) if re.fullmatch(r"-?[0-9]{1,38}", number) else value


def _reasons(error: ClientError) -> list[str]:
    """Return why DynamoDB did not make a write: for a transaction, the reason of each item that has one."""
    response: Mapping[str, Any] = error.response
    if reasons := response.get("CancellationReasons"):
        return [str(one.get("Code")) for one in reasons if one.get("Code") not in (None, "None")]
    return [str(response["Error"].get("Code")).removesuffix("Exception")]


def _with_advice(error: ClientError) -> str:
    if "ResourceNotFound" in _reasons(error):
        return f"{error}: create it: `chaosdrill init --coordination` prints its CloudFormation template"
    return str(error)
