"""Conditional writes of the lab's DynamoDB: one winner, however many write at the same moment."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config

from chaosdrill.lab.signing import signed
from tests.contract.lab_aws import ACCESS, KEYS, LabAws
from tests.waiting import LONG_S

THREADS = 64
REGION = "ap-northeast-1"
AT_ONCE = 100  # rounds in one test
ROUNDS = [range(15), *(pytest.param(range(at, at + AT_ONCE), marks=pytest.mark.long) for at in range(0, 1000, AT_ONCE))]


@pytest.fixture(scope="module")
def table(aws_session: LabAws) -> Iterator[tuple[Any, str]]:
    """A client with a connection for each thread, and a table of its own."""
    make: Any = boto3.client
    config = Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}, read_timeout=LONG_S)
    client = make("dynamodb", region_name=REGION, endpoint_url=aws_session.url, config=config, **KEYS)
    name = f"leases-{time.monotonic_ns()}"
    key = {"AttributeName": "PK", "AttributeType": "S"}
    schema = [{"AttributeName": "PK", "KeyType": "HASH"}]
    client.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=[key], BillingMode="PAY_PER_REQUEST")
    yield client, name
    client.delete_table(TableName=name)
    client.close()


def put(table: str, item: str, owner: str) -> dict[str, Any]:
    """:returns: a PutItem that only the first can make."""
    attributes = {"PK": {"S": item}, "owner": {"S": owner}}
    return {"TableName": table, "Item": attributes, "ConditionExpression": "attribute_not_exists(PK)"}


def update(table: str, item: str, owner: str) -> dict[str, Any]:
    """:returns: an UpdateItem that only the first can make."""
    return {
        "TableName": table,
        "Key": {"PK": {"S": item}},
        "UpdateExpression": "SET #o = :o",
        "ConditionExpression": "attribute_not_exists(#o)",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": owner}},
    }


def transact(table: str, item: str, owner: str) -> dict[str, Any]:
    """:returns: a TransactWriteItems of two items: either both are its own, or none."""
    return {"TransactItems": [{"Put": put(table, one, owner)} for one in (item, f"{item}-second")]}


WRITES: dict[str, Callable[[str, str, str], dict[str, Any]]] = {
    "PutItem": put,
    "UpdateItem": update,
    "TransactWriteItems": transact,
}


def owner_of(client: Any, table: str, item: str) -> str:
    found = client.get_item(TableName=table, Key={"PK": {"S": item}}, ConsistentRead=True)
    return str(found["Item"]["owner"]["S"])


@pytest.mark.parametrize("rounds", ROUNDS, ids=lambda rounds: f"rounds-{rounds.start}-{rounds.stop}")
def test_of_64_writers_one_wins(aws_session: LabAws, table: tuple[Any, str], rounds: range) -> None:
    client, name = table
    together = threading.Barrier(THREADS)
    items = [(list(WRITES)[number % len(WRITES)], f"{rounds}-{number}") for number in rounds]

    def race(owner: str) -> list[bool]:
        """By hand: an SDK spends more time on a request than the endpoint, and so the requests come one by one."""
        won = []
        with closing(http.client.HTTPConnection("127.0.0.1", aws_session.plan.aws_port, timeout=LONG_S)) as endpoint:
            for operation, item in items:
                body = json.dumps(WRITES[operation](name, item, owner)).encode()
                kind = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
                headers = signed(ACCESS.user, "POST", aws_session.url, REGION, "dynamodb", kind, body)
                together.wait(LONG_S)
                endpoint.request("POST", "/", body, headers)
                response = endpoint.getresponse()
                error = json.loads(response.read()).get("__type", "").rpartition("#")[2]
                assert error in ("", "ConditionalCheckFailedException", "TransactionCanceledException")
                won.append(response.status == 200)
        return won

    owners = [str(number) for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        results = dict(zip(owners, pool.map(race, owners), strict=True))
    for number, (operation, item) in enumerate(items):
        winners = [owner for owner, won in results.items() if won[number]]
        assert winners == [owner_of(client, name, item)], f"{item}: who is told that it won, owns it"
        if operation == "TransactWriteItems":
            assert winners == [owner_of(client, name, f"{item}-second")]


def test_no_write_is_lost_beside_transactions(table: tuple[Any, str]) -> None:
    """moto put a copy of the whole table back after a transaction that failed."""
    client, name = table
    client.put_item(**put(name, "taken", "first"))

    def write(number: int) -> None:
        if number % 2:
            client.put_item(**put(name, f"beside-{number}", "it"))
            return
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(**transact(name, "taken", "second"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(200)))
    assert {owner_of(client, name, f"beside-{number}") for number in range(1, 200, 2)} == {"it"}
    assert owner_of(client, name, "taken") == "first"


def test_counting_up_counts_every_time(table: tuple[Any, str]) -> None:
    client, name = table

    def count(_: int) -> None:
        client.update_item(
            TableName=name,
            Key={"PK": {"S": "counter"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(count, range(200)))
    assert client.get_item(TableName=name, Key={"PK": {"S": "counter"}})["Item"]["n"] == {"N": "200"}


def test_a_transaction_that_fails_changes_nothing(table: tuple[Any, str]) -> None:
    client, name = table
    client.put_item(**put(name, "kept", "before"))
    change = {
        "TableName": name,
        "Key": {"PK": {"S": "kept"}},
        "UpdateExpression": "SET #o = :o",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "after"}},
    }
    check = {"TableName": name, "Key": {"PK": {"S": "absent"}}, "ConditionExpression": "attribute_exists(PK)"}
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.transact_write_items(TransactItems=[{"Update": change}, {"ConditionCheck": check}])
    reasons = [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    assert owner_of(client, name, "kept") == "before"


def test_a_transaction_repeated_with_its_token_is_carried_out_once(table: tuple[Any, str]) -> None:
    client, name = table
    absent = {"TableName": name, "ConditionExpression": "attribute_not_exists(PK)"}
    item = {"Put": {**absent, "Item": {"PK": {"S": "once"}}}}
    for _ in range(2):  # the second as after a response that was lost
        client.transact_write_items(TransactItems=[item], ClientRequestToken="token")
    other = {"Put": {**absent, "Item": {"PK": {"S": "other"}}}}
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        client.transact_write_items(TransactItems=[other], ClientRequestToken="token")
