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


def condition(text: str, **values: Any) -> dict[str, Any]:
    """:returns: the parameters of a condition; ``a`` and ``b`` in it are attributes."""
    names = {f"#{name}": name for name in ("a", "b") if f"#{name}" in text}
    typed = {f":{name}": value for name, value in values.items()}
    return (
        {"ConditionExpression": text}
        | ({"ExpressionAttributeNames": names} if names else {})
        | ({"ExpressionAttributeValues": typed} if typed else {})
    )


CONDITIONS = {
    "a set has no order": ("#a = :v", {"v": {"SS": ["y", "x"]}}, True),
    "a set differs by one more": ("#a = :v", {"v": {"SS": ["x", "y", "z"]}}, False),
    "a set is no list": ("#a = :v", {"v": {"L": [{"S": "x"}, {"S": "y"}]}}, False),
    "a set contains": ("contains(#a, :v)", {"v": {"S": "y"}}, True),
    "an absent attribute equals nothing": ("#b = :v", {"v": {"S": "x"}}, False),
    "an absent attribute is not less": ("#b <= :v", {"v": {"N": "1"}}, False),
    "a set is not less than a number": ("#a <= :v", {"v": {"N": "1"}}, False),
    "a number is not greater than a text": ("size(#a) > :v", {"v": {"S": "0"}}, False),
    "or": ("attribute_not_exists(#b) OR #b <= :v", {"v": {"N": "1"}}, True),
    "and of choices": ("(attribute_exists(#a)) AND (attribute_exists(#b) OR #a = :v)", {"v": {"SS": ["x", "y"]}}, True),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_hold_as_documented(table: tuple[Any, str], name: str) -> None:
    client, table_name = table
    text, values, holds = CONDITIONS[name]
    key = {"PK": {"S": f"condition {name}"}}
    client.put_item(TableName=table_name, Item={**key, "a": {"SS": ["x", "y"]}})
    check = {"TableName": table_name, "Key": key, **condition(text, **values)}
    other = {"Put": {"TableName": table_name, "Item": {"PK": {"S": f"beside {name}"}}}}
    try:
        client.transact_write_items(TransactItems=[{"ConditionCheck": check}, other])
        held = True
    except client.exceptions.TransactionCanceledException:
        held = False
    assert held is holds
    written = client.get_item(TableName=table_name, Key=other["Put"]["Item"], ConsistentRead=True)
    assert ("Item" in written) is holds


def test_a_set_grows_and_shrinks_and_an_empty_one_is_no_attribute(table: tuple[Any, str]) -> None:
    client, name = table
    key = {"PK": {"S": "growing"}}

    def change(verb: str, *texts: str) -> Any:
        return client.update_item(
            TableName=name,
            Key=key,
            UpdateExpression=f"{verb} #a :v",
            ExpressionAttributeNames={"#a": "a"},
            ExpressionAttributeValues={":v": {"SS": list(texts)}},
            ReturnValues="ALL_NEW",
        )["Attributes"]

    assert sorted(change("ADD", "x", "y")["a"]["SS"]) == ["x", "y"]
    assert sorted(change("ADD", "y", "z")["a"]["SS"]) == ["x", "y", "z"]
    assert sorted(change("DELETE", "x", "nobody")["a"]["SS"]) == ["y", "z"]
    assert change("DELETE", "y", "z") == key
    assert change("DELETE", "y") == key


@pytest.mark.parametrize("empty", [{"SS": []}, {"NS": []}])
def test_an_empty_set_is_refused(table: tuple[Any, str], empty: dict[str, Any]) -> None:
    client, name = table
    values = {"ExpressionAttributeNames": {"#a": "a"}, "ExpressionAttributeValues": {":v": empty}}
    update = {"TableName": name, "Key": {"PK": {"S": "empty"}}, "UpdateExpression": "SET #a = :v", **values}
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.update_item(**update)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.transact_write_items(TransactItems=[{"Update": update}])
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_transaction_reads_in_the_order_of_its_keys(table: tuple[Any, str]) -> None:
    client, name = table
    client.put_item(TableName=name, Item={"PK": {"S": "read"}, "a": {"SS": ["x"]}})
    gets = [{"Get": {"TableName": name, "Key": {"PK": {"S": key}}}} for key in ("absent", "read")]
    assert client.transact_get_items(TransactItems=gets)["Responses"] == [
        {},
        {"Item": {"PK": {"S": "read"}, "a": {"SS": ["x"]}}},
    ]


def test_a_condition_that_fails_shows_the_item_on_request(table: tuple[Any, str]) -> None:
    client, name = table
    item = {"PK": {"S": "shown"}, "a": {"SS": ["x"]}}
    client.put_item(TableName=name, Item=item)
    asks = {"TableName": name, "Key": {"PK": item["PK"]}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    check = {**asks, **condition("attribute_exists(#b)")}
    absent = {**check, "Key": {"PK": {"S": "shown-absent"}}}
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"ConditionCheck": absent}])
    assert [reason.get("Item") for reason in cancelled.value.response["CancellationReasons"]] == [item, None]
    update = {**check, "UpdateExpression": "SET #b = :b", "ExpressionAttributeValues": {":b": {"S": "x"}}}
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as failed:
        client.update_item(**update)
    assert failed.value.response["Item"] == item
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as failed:
        client.update_item(**{**update, "Key": {"PK": {"S": "shown-absent"}}})
    assert "Item" not in failed.value.response


@pytest.mark.parametrize(
    "writes",
    [
        [("ConditionCheck", "twice", condition("attribute_exists(PK)")), ("Delete", "twice", {})],
        [("ConditionCheck", "no-condition", {})],
    ],
)
def test_a_transaction_that_is_none_is_refused(table: tuple[Any, str], writes: list[Any]) -> None:
    client, name = table
    actions = [{kind: {"TableName": name, "Key": {"PK": {"S": key}}, **facts}} for kind, key, facts in writes]
    with pytest.raises(Exception) as refused:  # noqa: PT011 - botocore refuses the second itself
        client.transact_write_items(TransactItems=actions)
    assert type(refused.value).__name__ in ("ClientError", "ParamValidationError")


def test_concurrent_transactions_of_one_item_conflict(table: tuple[Any, str]) -> None:
    """AWS does not queue them: who comes while one goes on is told to try again."""
    client, name = table
    key = {"PK": {"S": "conflict"}}
    adds = {"TableName": name, "Key": key, "UpdateExpression": "ADD n :one"}
    adds["ExpressionAttributeValues"] = {":one": {"N": "1"}}
    others = [{"Put": {"TableName": name, "Item": {"PK": {"S": f"conflict-{n}"}}}} for n in range(60)]
    together = threading.Barrier(16)
    codes: list[str] = []

    def write(number: int) -> int:
        done = 0
        for _ in range(8):
            together.wait(LONG_S)
            try:
                if number % 2:
                    client.update_item(**adds)
                else:
                    client.transact_write_items(TransactItems=[{"Update": adds}, *others])
                done += 1
            except client.exceptions.TransactionConflictException as error:
                codes.append(error.response["Error"]["Code"])
            except client.exceptions.TransactionCanceledException as error:
                reasons = [one["Code"] for one in error.response["CancellationReasons"]]
                assert "TransactionConflict" in reasons
                codes.append("cancelled")
        return done

    with ThreadPoolExecutor(16) as pool:
        done = sum(pool.map(write, range(16)))
    assert client.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]["n"] == {"N": str(done)}
    assert set(codes) == {"TransactionConflictException", "cancelled"}
