"""The lab's AWS endpoint misbehaves as it was told to, as AWS would, and remembers who called what."""

import socket
import time
import urllib.error
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from chaosdrill.lab.signing import signed
from tests.contract.lab_aws import ACCESS, KEYS, LabAws, get
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
LOOKS = {  # a call for each wire form
    "dynamodb": lambda client: client.list_tables(),
    "ec2": lambda client: client.describe_instances(),
    "elbv2": lambda client: client.describe_load_balancers(),
    "fis": lambda client: client.list_experiments(),
    "iam": lambda client: client.list_roles(),
    "lambda": lambda client: client.list_functions(),
    "rds": lambda client: client.describe_global_clusters(),
    "route53": lambda client: client.list_hosted_zones(),
    "route53-recovery-control-config": lambda client: client.list_clusters(),
    "ssm": lambda client: client.describe_instance_information(),
    "stepfunctions": lambda client: client.list_state_machines(),
    "sts": lambda client: client.get_caller_identity(),
    "cloudwatch": lambda client: client.describe_alarms(),
    "events": lambda client: client.list_rules(),
    "ecs": lambda client: client.list_clusters(),
}
THROTTLED = {
    **dict.fromkeys(LOOKS, "ThrottlingException"),
    **dict.fromkeys(("elbv2", "iam", "rds", "route53", "sts", "cloudwatch"), "Throttling"),
    "dynamodb": "ProvisionedThroughputExceededException",
    "ec2": "RequestLimitExceeded",
    "lambda": "TooManyRequestsException",
}


@pytest.fixture
def broken(aws: LabAws) -> Iterator[Any]:
    def put(**fault: Any) -> None:
        assert get(f"{aws.url}/chaosdrill/faults", fault, "PUT")[0] == 200

    yield put
    get(f"{aws.url}/chaosdrill/faults", method="DELETE")


def calls(aws: LabAws, since: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(f"{aws.url}/chaosdrill/calls?since={since}")[1]["calls"]
    return found


def last_number(aws: LabAws) -> int:
    return max((call["number"] for call in calls(aws)), default=0)


def code_of(look: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        look()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize("service", sorted(LOOKS))
def test_each_service_has_its_own_errors_in_its_own_form_and_is_itself_again_after_them(
    aws: LabAws, broken: Any, service: str
) -> None:
    client, look = aws.client(service), LOOKS[service]
    for kind in ("throttling", "server-error", "expired"):
        broken(service=service, kind=kind, calls=1)
    assert code_of(lambda: look(client))[1] == THROTTLED[service]
    assert code_of(lambda: look(client))[0] == 500
    assert code_of(lambda: look(client))[1] in ("ExpiredTokenException", "ExpiredToken", "RequestExpired")
    assert look(client)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_reset_resets_and_does_nothing_and_a_lost_answer_does_it_all_the_same(aws: LabAws, broken: Any) -> None:
    table, db = aws.topology["stop_flag"]["tables"][HOME], aws.client("dynamodb", HOME)

    def write(value: str) -> None:
        db.put_item(TableName=table, Item={"PK": {"S": "other"}, "value": {"S": value}})

    def seen() -> str:
        return str(db.get_item(TableName=table, Key={"PK": {"S": "other"}})["Item"]["value"]["S"])

    write("0")
    broken(service="dynamodb", kind="reset", operation="PutItem", calls=1)
    with pytest.raises(ConnectionClosedError):
        write("1")
    assert seen() == "0"
    broken(service="sts", kind="reset", calls=1)
    headers = signed(ACCESS.user, "GET", aws.url, HOME, "sts", {}, b"")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    broken(service="dynamodb", kind="lost-answer", operation="PutItem", calls=1)
    with pytest.raises(ConnectionClosedError):
        write("2")
    assert seen() == "2"
    db.delete_item(TableName=table, Key={"PK": {"S": "other"}})


def test_a_timeout_is_silent_and_ends_when_it_is_mended(aws: LabAws, broken: Any) -> None:
    make: Any = boto3.client
    config = Config(retries={"total_max_attempts": 1}, read_timeout=0.3)
    hasty = make("dynamodb", region_name=HOME, endpoint_url=aws.url, config=config, **KEYS)
    broken(service="dynamodb", kind="timeout", seconds=60, calls=1)
    before = last_number(aws)
    with pytest.raises(ReadTimeoutError):
        hasty.list_tables()
    aws.client("dynamodb", HOME).list_tables()
    get(f"{aws.url}/chaosdrill/faults", method="DELETE")
    end = time.monotonic() + LONG_S
    while not [call for call in calls(aws, before) if call["fault"] == "timeout"]:
        assert time.monotonic() < end, "a call that waited goes on waiting"
        time.sleep(0.02)
    hasty.close()


def test_slow_is_late_and_right(aws: LabAws, broken: Any) -> None:
    broken(service="sts", kind="slow", seconds=0.4, calls=1)
    began = time.monotonic()
    assert aws.client("sts").get_caller_identity()["Account"] == aws.plan.account
    assert time.monotonic() - began >= 0.4


def test_region_and_operation_are_kept_to(aws: LabAws, broken: Any) -> None:
    broken(service="dynamodb", kind="server-error", region=HOME, operation="ListTables")
    assert code_of(aws.client("dynamodb", HOME).list_tables)[0] == 500
    assert aws.client("dynamodb", STANDBY).list_tables()
    table = aws.topology["stop_flag"]["tables"][HOME]
    assert aws.client("dynamodb", HOME).describe_table(TableName=table)
    (fault,) = get(f"{aws.url}/chaosdrill/faults")[1]["faults"]
    assert (fault["hits"], fault["calls"]) == (1, None)


@pytest.mark.parametrize("everyone", [False, True])
def test_the_lab_s_own_parts_are_spared_unless_everyone_is_meant(aws: LabAws, broken: Any, everyone: bool) -> None:
    broken(service="rds", kind="server-error", everyone=everyone)
    ended = aws.run_machine("FailoverStateMachine")
    if everyone:
        assert ended["status"] == "FAILED"
        assert "internal" in ended["cause"]
        get(f"{aws.url}/chaosdrill/faults", method="DELETE")
        assert aws.run_machine("FailoverStateMachine")["status"] == "SUCCEEDED"
    else:
        assert ended["status"] == "SUCCEEDED"
        get(f"{aws.url}/chaosdrill/faults", method="DELETE")
    assert aws.run_machine("FailbackStateMachine")["status"] == "SUCCEEDED"


def test_what_cannot_be_is_told_all_at_once(aws: LabAws) -> None:
    from chaosdrill.lab.aws.faults import KINDS  # imports moto

    wrong = {"service": "kinesis", "kind": "sulking", "calls": 0, "seconds": "long", "colour": "red"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"{aws.url}/chaosdrill/faults", wrong, "PUT")
    said = caught.value.read().decode()
    caught.value.close()
    for wrong_one in ("'kinesis'", "'sulking'", "calls 0", "seconds 'long'", "colour: "):
        assert wrong_one in said
    assert all(kind in said for kind in KINDS)


@pytest.mark.parametrize("service", sorted(LOOKS))
def test_every_call_is_in_the_log_with_its_operation(aws: LabAws, service: str) -> None:
    before = last_number(aws)
    client = aws.client(service, HOME)
    LOOKS[service](client)
    (call,) = [one for one in calls(aws, before) if one["by"] == "other"]
    model = client.meta.service_model
    assert (call["service"], call["status"]) == (model.signing_name, 200)
    assert call["region"] == HOME or service == "route53"
    assert call["operation"] in model.operation_names
    assert abs(call["at_s"] - time.time()) < 60


def test_the_log_tells_who_called_and_what_it_was_about(aws: LabAws) -> None:
    before = last_number(aws)
    table = aws.topology["stop_flag"]["tables"][HOME]
    aws.client("dynamodb", HOME).get_item(TableName=table, Key={"PK": {"S": "stopFlag"}})
    aws.client("fis", HOME).list_experiment_templates()
    aws.run_machine("FailoverStateMachine")
    aws.run_machine("FailbackStateMachine")
    seen = calls(aws, before)
    assert [one["resource"] for one in seen if one["operation"] == "GetItem" and one["by"] == "other"] == [table]
    own = {one["operation"] for one in seen if one["by"] == "lab"}
    assert own >= {"UpdateItem", "Invoke"} or own >= {"PutItem", "Invoke"}, own
    started = [one["resource"] for one in seen if one["operation"] == "StartExecution"]
    assert started == [aws.machine("FailoverStateMachine"), aws.machine("FailbackStateMachine")]
