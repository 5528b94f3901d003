"""DynamoDB with atomic writes: requests are executed one at a time.

Transactions on the same item conflict (:mod:`chaosdrill.lab.aws.transactions`).

Fixes: moto checks a condition and writes the item in two steps, so several concurrent conditional writes succeed; its
TransactWriteItems copies whole tables, loses concurrent writes, and ignores ClientRequestToken. It has no replicas of a
global table, and no resource policies of streams. It accepts empty sets, and fails where a condition compares values of
two types.

:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (isolation, idempotency)
"""

import copy
import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import moto.dynamodb.urls as dynamodb_urls
from moto.core.responses import ActionResult
from moto.dynamodb import models
from moto.dynamodb.comparisons import OpGreaterThan, OpGreaterThanOrEqual, OpLessThan, OpLessThanOrEqual
from moto.dynamodb.exceptions import PolicyNotFoundException
from moto.dynamodb.models.table import ResourcePolicy, Table
from moto.dynamodb.responses import DynamoHandler

from chaosdrill.lab.aws import transactions
from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import plan
from chaosdrill.lab.plan import MAIN_TABLE

TOKEN_VALID_S = 600.0  # validity of a ClientRequestToken on AWS; not scaled
_one_at_a_time = threading.RLock()
_transactions: dict[tuple[Any, ...], tuple[float, Any, ActionResult]] = {}
_ongoing = transactions.Ongoing()


class LabDynamoHandler(DynamoHandler):
    """moto's handler, with one request at a time."""

    _conflicts: tuple[bool, ...] = ()

    def call_action(self) -> Any:
        """Execute a request while no other one is executed."""
        place = f"{self.current_account} {self.region}"
        request = transactions.request_of(place, self._get_action(), getattr(self, "params", {}), self._keys_of)
        if request is None:
            with _one_at_a_time:
                return super().call_action()
        with _ongoing.entered(request) as self._conflicts, _one_at_a_time:
            return super().call_action()

    def _keys_of(self, table: str) -> list[str]:
        found = self.dynamodb_backend.tables.get(table)
        return list(found.table_key_attrs) if found else []

    def put_item(self) -> ActionResult:
        """PutItem, refused while a transaction writes the item."""
        self._refuse(transactions.WRITE)
        return super().put_item()

    def update_item(self) -> ActionResult:
        """UpdateItem, refused while a transaction writes the item."""
        self._refuse(transactions.WRITE)
        return super().update_item()

    def delete_item(self) -> ActionResult:
        """DeleteItem, refused while a transaction writes the item."""
        self._refuse(transactions.WRITE)
        return super().delete_item()

    def transact_get_items(self) -> ActionResult:
        """TransactGetItems, refused while one of the items is being written."""
        self._refuse(transactions.TRANSACT_GET)
        return super().transact_get_items()

    def _refuse(self, kind: str) -> None:
        transactions.refuse(kind, self._conflicts)
        _refuse_empty_sets(self.body)

    def transact_write_items(self) -> ActionResult:
        """TransactWriteItems, executed once when it is repeated with the same token."""
        self._refuse(transactions.TRANSACT_WRITE)
        token = self.body.get("ClientRequestToken")
        if not token:
            return super().transact_write_items()
        _forget_old_tokens()
        key, items = (self.current_account, self.region, token), self.body["TransactItems"]
        if key in _transactions:
            _, first, result = _transactions[key]
            if first != items:
                raise AwsError("IdempotentParameterMismatchException", "The token was used with other parameters.")
            return result
        asked = copy.deepcopy(items)
        result = super().transact_write_items()
        _transactions[key] = (time.monotonic(), asked, result)
        return result


def _refuse_empty_sets(part: Any) -> None:
    """Refuse a request with an empty set.

    :raises AwsError: when a value in the request is an empty set.
    """
    if isinstance(part, dict):
        if any(part == {kind: []} for kind in ("SS", "NS", "BS")):
            raise AwsError("ValidationException", "One or more parameter values were invalid: A set may not be empty")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            _refuse_empty_sets(inner)


def _forget_old_tokens() -> None:
    oldest_s = time.monotonic() - TOKEN_VALID_S
    for key in [key for key, (since_s, _, _) in _transactions.items() if since_s < oldest_s]:
        del _transactions[key]


class LabDynamoDBBackend(models.DynamoDBBackend):
    """moto's backend, without changes of items in place: copying a table's index of items is enough to copy the
    table.
    """

    _url_module = dynamodb_urls

    def describe_table(self, name: str) -> dict[str, Any]:
        """DescribeTable, with the other replicas of a global table."""
        found = super().describe_table(name)
        if others := replica_regions(name, self.region_name):
            replicas = [{"RegionName": region, "ReplicaStatus": "ACTIVE"} for region in others]
            found["Table"] |= {"GlobalTableVersion": "2019.11.21", "Replicas": replicas}
        return found

    def get_resource_policy(self, resource_arn: str) -> ResourcePolicy:
        """GetResourcePolicy, also of a stream."""
        if "/stream/" not in resource_arn or resource_arn in self.resource_policies:
            return self.resource_policies.get(resource_arn) or super().get_resource_policy(resource_arn)
        raise PolicyNotFoundException(f"Resource-based policy not found for the provided ResourceArn: {resource_arn}")

    def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """UpdateItem, which leaves the item unchanged when it fails."""
        table = self.get_table(table_name)
        hash_value, range_value = self.get_keys_value(table, key)
        before = table.get_item(hash_value, range_value)
        if before is not None:
            _put(table, hash_value, range_value, copy.deepcopy(before))
        try:
            return super().update_item(table_name, key, *args, **kwargs)
        except BaseException:
            if before is None:
                table.delete_item(hash_value, range_value)
            else:
                _put(table, hash_value, range_value, before)
            raise


def replica_regions(table_name: str, region: str) -> list[str]:
    """Return the other regions of a global table, as seen from one of them; empty for other tables."""
    regions = [one.name for one in plan().regions]
    return [one for one in regions if one != region] if table_name == MAIN_TABLE and region in regions else []


def add_statements(region: str, arn: str, statements: list[dict[str, Any]]) -> None:
    """Add statements to the resource policy of a table or a stream, and create the policy if there is none."""
    with _one_at_a_time:
        policies = models.dynamodb_backends[plan().account][region].resource_policies
        _write(policies, arn, [*_statements(policies, arn), *statements])


def remove_statements(region: str, arn: str, sid: str) -> None:
    """Remove the statements whose Sid begins with ``sid``; a policy without other statements is deleted."""
    with _one_at_a_time:
        policies = models.dynamodb_backends[plan().account][region].resource_policies
        kept = [one for one in _statements(policies, arn) if not str(one.get("Sid", "")).startswith(sid)]
        _write(policies, arn, kept)


def _statements(policies: dict[str, ResourcePolicy], arn: str) -> list[dict[str, Any]]:
    if arn not in policies:
        return []
    found = json.loads(policies[arn].policy_doc)["Statement"]
    return found if isinstance(found, list) else [found]


def _write(policies: dict[str, ResourcePolicy], arn: str, statements: list[dict[str, Any]]) -> None:
    before = json.loads(policies[arn].policy_doc) if arn in policies else {"Version": "2012-10-17"}
    if statements:
        policies[arn] = ResourcePolicy(arn, json.dumps({**before, "Statement": statements}))
    else:
        policies.pop(arn, None)


def _put(table: Table, hash_value: Any, range_value: Any, item: Any) -> None:
    if range_value is None:
        table.items[hash_value] = item
    else:
        table.items[hash_value][range_value] = item


def _snapshot(table: Table) -> Table:
    """Return a copy of a table that is independent of later changes."""
    taken = copy.copy(table)
    taken.items = copy.copy(table.items)
    if table.has_range_key:
        for key, items in taken.items.items():
            taken.items[key] = dict(items)
    return taken


def _deepcopy(value: Any) -> Any:
    return _snapshot(value) if isinstance(value, Table) else copy.deepcopy(value)


def _of_one_type(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Make a comparison of values of two types false.

    :source:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.Conditions.html
    """

    def expr(self: Any, item: Any) -> bool:
        try:
            return compare(self, item)
        except TypeError:
            return False

    return expr


def install() -> None:
    """Use them for every request, in every region."""
    dynamodb_urls.url_paths["{0}/"] = LabDynamoHandler.dispatch
    replace(models.dynamodb_backends, "backend", LabDynamoDBBackend)
    for comparison in (OpLessThan, OpLessThanOrEqual, OpGreaterThan, OpGreaterThanOrEqual):
        replace(comparison, "expr", _of_one_type(comparison.expr))
    replace(models, "copy", SimpleNamespace(deepcopy=_deepcopy))
