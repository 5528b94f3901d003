"""DynamoDB whose writes are atomic: each request is carried out alone, whatever other threads ask for.

Fixes: moto checks a condition and writes the item in two steps, so several concurrent conditional writes succeed; its
TransactWriteItems copies whole tables, loses what others write meanwhile, and ignores ClientRequestToken. It knows no
replicas of a global table.

:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (isolation, idempotency)
"""

import copy
import threading
import time
from types import SimpleNamespace
from typing import Any

import moto.dynamodb.urls as dynamodb_urls
from moto.core.responses import ActionResult
from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import plan
from chaosdrill.lab.plan import MAIN_TABLE

TOKEN_VALID_S = 600.0  # AWS's, not scaled: how long a request with the same ClientRequestToken is the same request
_one_at_a_time = threading.RLock()
_transactions: dict[tuple[Any, ...], tuple[float, Any, ActionResult]] = {}


class LabDynamoHandler(DynamoHandler):
    """moto's, one request at a time."""

    def call_action(self) -> Any:
        """Carry out a request alone."""
        with _one_at_a_time:
            return super().call_action()

    def transact_write_items(self) -> ActionResult:
        """TransactWriteItems: a request that is repeated with its token is carried out once."""
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


def _forget_old_tokens() -> None:
    oldest_s = time.monotonic() - TOKEN_VALID_S
    for key in [key for key, (since_s, _, _) in _transactions.items() if since_s < oldest_s]:
        del _transactions[key]


class LabDynamoDBBackend(models.DynamoDBBackend):
    """moto's, which changes no item in place: a copy of a table is a copy of its index of items."""

    _url_module = dynamodb_urls

    def describe_table(self, name: str) -> dict[str, Any]:
        """DescribeTable, with the other replicas of a global table."""
        found = super().describe_table(name)
        if others := replica_regions(name, self.region_name):
            replicas = [{"RegionName": region, "ReplicaStatus": "ACTIVE"} for region in others]
            found["Table"] |= {"GlobalTableVersion": "2019.11.21", "Replicas": replicas}
        return found

    def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """UpdateItem: a failed update leaves the item as it was."""
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
    """:returns: the other regions of a global table, as seen from one of them; empty when it is none."""
    regions = [one.name for one in plan().regions]
    return [one for one in regions if one != region] if table_name == MAIN_TABLE and region in regions else []


def _put(table: Table, hash_value: Any, range_value: Any, item: Any) -> None:
    if range_value is None:
        table.items[hash_value] = item
    else:
        table.items[hash_value][range_value] = item


def _snapshot(table: Table) -> Table:
    """:returns: the table as it is now; later changes of either do not reach the other."""
    taken = copy.copy(table)
    taken.items = copy.copy(table.items)
    if table.has_range_key:
        for key, items in taken.items.items():
            taken.items[key] = dict(items)
    return taken


def _deepcopy(value: Any) -> Any:
    return _snapshot(value) if isinstance(value, Table) else copy.deepcopy(value)


def install() -> None:
    """Use them for every request, in every region."""
    dynamodb_urls.url_paths["{0}/"] = LabDynamoHandler.dispatch
    replace(models.dynamodb_backends, "backend", LabDynamoDBBackend)
    replace(models, "copy", SimpleNamespace(deepcopy=_deepcopy))
