"""Conditional writes of the lab's DynamoDB: one winner, however many write at the same moment."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.contract.lab_aws import LabAws
from tests.waiting import LONG_S

THREADS = 64
REGION = "ap-northeast-1"
ROUNDS = [pytest.param(15, id="15-rounds"), pytest.param(1000, id="1000-rounds", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def table(aws_session: LabAws) -> Iterator[tuple[Any, str]]:
    """A client with a connection for each thread, and a table of its own."""
    make: Any = boto3.client
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}, read_timeout=LONG_S)
    client = make("dynamodb", region_name=REGION, endpoint_url=aws_session.url, config=config, **keys)
    name = f"leases-{time.monotonic_ns()}"
    key = {"AttributeName": "PK", "AttributeType": "S"}
    schema = [{"AttributeName": "PK", "KeyType": "HASH"}]
    client.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=[key], BillingMode="PAY_PER_REQUEST")
    yield client, name
    client.delete_table(TableName=name)
    client.close()


def put(client: Any, table: str, item: str, owner: str) -> None:
    absent = "attribute_not_exists(PK)"
    client.put_item(TableName=table, Item={"PK": {"S": item}, "owner": {"S": owner}}, ConditionExpression=absent)


def update(client: Any, table: str, item: str, owner: str) -> None:
    client.update_item(
        TableName=table,
        Key={"PK": {"S": item}},
        UpdateExpression="SET #o = :o",
        ConditionExpression="attribute_not_exists(#o)",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": owner}},
    )


def transact(client: Any, table: str, item: str, owner: str) -> None:
    """Two items in one transaction: either both are its own, or none."""
    absent = {"TableName": table, "ConditionExpression": "attribute_not_exists(PK)"}
    items = [{"PK": {"S": one}, "owner": {"S": owner}} for one in (item, f"{item}-second")]
    client.transact_write_items(TransactItems=[{"Put": {**absent, "Item": one}} for one in items])


WRITES: tuple[Callable[..., None], ...] = (put, update, transact)


def owner_of(client: Any, table: str, item: str) -> str:
    found = client.get_item(TableName=table, Key={"PK": {"S": item}}, ConsistentRead=True)
    return str(found["Item"]["owner"]["S"])


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_64_writers_one_wins(table: tuple[Any, str], rounds: int) -> None:
    client, name = table
    refused = (client.exceptions.ConditionalCheckFailedException, client.exceptions.TransactionCanceledException)
    together = threading.Barrier(THREADS)
    items = [(WRITES[number % len(WRITES)], f"{rounds}-{number}") for number in range(rounds)]

    def race(owner: str) -> list[bool]:
        won = []
        for write, item in items:
            together.wait(LONG_S)
            try:
                write(client, name, item, owner)
            except refused:
                won.append(False)
            else:
                won.append(True)
        return won

    owners = [str(number) for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        results = dict(zip(owners, pool.map(race, owners), strict=True))
    for number, (write, item) in enumerate(items):
        winners = [owner for owner, won in results.items() if won[number]]
        assert winners == [owner_of(client, name, item)], f"{item}: who is told that it won, owns it"
        if write is transact:
            assert winners == [owner_of(client, name, f"{item}-second")]


def test_no_write_is_lost_beside_transactions(table: tuple[Any, str]) -> None:
    """moto put a copy of the whole table back after a transaction that failed."""
    client, name = table
    put(client, name, "taken", "first")

    def write(number: int) -> None:
        if number % 2:
            put(client, name, f"beside-{number}", "it")
            return
        with pytest.raises(client.exceptions.TransactionCanceledException):
            transact(client, name, "taken", "second")

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
    put(client, name, "kept", "before")
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
