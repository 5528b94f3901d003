"""Attacks on the lab's AWS endpoint: who has not its keys, or not its origin, gets nothing and changes nothing."""

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import dns.message
import dns.query
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from chaosdrill.lab.access import Access, KeyPair
from chaosdrill.lab.dns.server import IDLE_TCP_S
from chaosdrill.lab.plan import HOME, LabPlan
from chaosdrill.lab.signing import signed
from tests.contract.call_recorder import Recorder
from tests.contract.lab_aws import ACCESS, KEYS, LabAws
from tests.waiting import LONG_S, wait_for

TOKYO = "ap-northeast-1"
UPDATE = {
    "TableName": HOME.flag_table,
    "Key": {"PK": {"S": "stopFlag"}},
    "UpdateExpression": "SET #v = :v",
    "ExpressionAttributeNames": {"#v": "value"},
    "ExpressionAttributeValues": {":v": {"S": "true"}},
}
DYNAMODB = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.UpdateItem"}
FOREIGN = KeyPair("AKIAFOREIGNFOREIGN22", "foreign")

# one service of each protocol: what it is asked, and its codes for an unknown key and for another signature
CALLS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "dynamodb": (lambda it: it.list_tables(), "UnrecognizedClientException", "InvalidSignatureException"),
    "ssm": (lambda it: it.list_commands(), "UnrecognizedClientException", "InvalidSignatureException"),
    "stepfunctions": (lambda it: it.list_state_machines(), "UnrecognizedClientException", "InvalidSignatureException"),
    "cloudwatch": (lambda it: it.list_metrics(), "UnrecognizedClientException", "InvalidSignatureException"),
    "fis": (lambda it: it.list_experiments(), "UnrecognizedClientException", "InvalidSignatureException"),
    "lambda": (lambda it: it.list_functions(), "UnrecognizedClientException", "InvalidSignatureException"),
    "sts": (lambda it: it.get_caller_identity(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "rds": (lambda it: it.describe_global_clusters(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "iam": (lambda it: it.list_users(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "route53": (lambda it: it.list_hosted_zones(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "ec2": (lambda it: it.describe_instances(), "AuthFailure", "SignatureDoesNotMatch"),
    "s3": (lambda it: it.list_buckets(), "InvalidAccessKeyId", "SignatureDoesNotMatch"),
}


@pytest.fixture(autouse=True)
def as_the_models_say(recorder: Recorder) -> Iterator[None]:
    """Models do not name the errors that all services have in common."""
    yield
    recorder.take()


@pytest.fixture(autouse=True)
def flag_is_left_alone(aws: LabAws) -> Iterator[None]:
    """Whatever was tried: the stop flag of home is as it was."""
    yield
    item = aws.client("dynamodb", TOKYO).get_item(TableName=HOME.flag_table, Key=UPDATE["Key"])["Item"]
    assert item["value"] == {"S": "false"}


def client(aws: LabAws, service: str, key: str, secret: str, **more: Any) -> Any:
    make: Any = boto3.client
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, **more}
    config = Config(retries={"total_max_attempts": 1})
    return make(service, region_name=TOKYO, endpoint_url=aws.url, config=config, **keys)


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def send(
    aws: LabAws, method: str = "POST", path: str = "/", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """One request as it is written here.

    :returns: status and body.
    """
    with closing(http.client.HTTPConnection("127.0.0.1", aws.plan.aws_port, timeout=LONG_S)) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()


def update(aws: LabAws, keys: KeyPair = ACCESS.user, more: dict[str, str] | None = None) -> dict[str, str]:
    """:returns: the headers of an UpdateItem that would close home."""
    body = json.dumps(UPDATE).encode()
    return signed(keys, "POST", f"{aws.url}/", TOKYO, "dynamodb", {**DYNAMODB, **(more or {})}, body)


# Keys and signatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", CALLS)
def test_a_key_that_nobody_has_is_refused_as_the_service_words_it(aws: LabAws, service: str) -> None:
    call, unknown, _ = CALLS[service]
    with closing(client(aws, service, FOREIGN.id, FOREIGN.secret)) as other:
        assert refused(lambda: call(other)) == unknown


@pytest.mark.parametrize("service", CALLS)
def test_the_right_key_with_another_secret_is_refused_as_the_service_words_it(aws: LabAws, service: str) -> None:
    call, _, other_signature = CALLS[service]
    with closing(client(aws, service, ACCESS.user.id, "guessed")) as other:
        assert refused(lambda: call(other)) == other_signature


@pytest.mark.parametrize("service", CALLS)
def test_the_lab_s_keys_are_accepted_by_every_service(aws: LabAws, service: str) -> None:
    CALLS[service][0](aws.client(service, TOKYO))


def test_no_command_runs_on_the_client_host_for_foreign_keys(aws: LabAws) -> None:
    arguments = {
        "DocumentName": "AWS-RunShellScript",
        "InstanceIds": [aws.topology["client"]["instance_id"]],
        "Parameters": {"commands": ["cat /etc/shadow"]},
    }
    with closing(client(aws, "ssm", FOREIGN.id, FOREIGN.secret)) as ssm:
        assert refused(lambda: ssm.send_command(**arguments)) == "UnrecognizedClientException"
    assert aws.supervisor.asked("client.run") == []


def test_a_session_counts_with_its_own_token_only(aws: LabAws) -> None:
    role = {"RoleArn": f"arn:aws:iam::{aws.plan.account}:role/drill", "RoleSessionName": "one"}
    one = aws.client("sts").assume_role(**role)["Credentials"]
    key, secret = one["AccessKeyId"], one["SecretAccessKey"]
    with closing(client(aws, "sts", key, secret, aws_session_token=one["SessionToken"])) as session:
        assert "assumed-role/drill/one" in session.get_caller_identity()["Arn"]
    for token in ({}, {"aws_session_token": "another"}):
        with closing(client(aws, "sts", key, secret, **token)) as session:
            assert refused(session.get_caller_identity) == "InvalidClientTokenId"
    with closing(client(aws, "sts", **user(), aws_session_token="a token")) as session:
        assert refused(session.get_caller_identity) == "InvalidClientTokenId"


def user() -> dict[str, str]:
    return {"key": KEYS["aws_access_key_id"], "secret": KEYS["aws_secret_access_key"]}


def test_a_key_that_was_made_inactive_is_unknown(aws: LabAws) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="leaver")
    made = iam.create_access_key(UserName="leaver")["AccessKey"]
    with closing(client(aws, "sts", made["AccessKeyId"], made["SecretAccessKey"])) as theirs:
        assert theirs.get_caller_identity()["Arn"].endswith("user/leaver")
        iam.update_access_key(UserName="leaver", AccessKeyId=made["AccessKeyId"], Status="Inactive")
        assert refused(theirs.get_caller_identity) == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("service", "minutes", "code"),
    [
        ("dynamodb", 4, ""),
        ("dynamodb", -4, ""),
        ("dynamodb", 6, "InvalidSignatureException"),
        ("dynamodb", -6, "InvalidSignatureException"),
        ("sts", 6, "SignatureDoesNotMatch"),
        ("ec2", -6, ""),
        ("ec2", -16, "RequestExpired"),
        ("s3", 14, ""),
        ("s3", 16, "RequestTimeTooSkewed"),
    ],
)
def test_clocks_may_differ_as_far_as_on_aws(
    aws: LabAws, monkeypatch: pytest.MonkeyPatch, service: str, minutes: int, code: str
) -> None:
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    call = CALLS[service][0]
    with closing(client(aws, service, **user())) as one, monkeypatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: then)
        if code:
            assert refused(lambda: call(one)) == code
        else:
            call(one)


@pytest.mark.parametrize("missing", ["Authorization", "X-Amz-Date"])
def test_an_update_without_a_part_of_its_signature_is_refused(aws: LabAws, missing: str) -> None:
    headers = update(aws)
    del headers[missing]
    status, body = send(aws, body=json.dumps(UPDATE).encode(), headers=headers)
    assert status in (400, 403), body


def test_what_was_altered_on_the_way_is_refused(aws: LabAws) -> None:
    closing_it = json.dumps(UPDATE).encode()
    headers = update(aws)
    other = json.dumps({**UPDATE, "TableName": "Osaka-ParamTable-chaosdrill"}).encode()
    assert send(aws, body=other, headers=headers)[0] == 400, "another body"
    assert send(aws, path="/?a=b", body=closing_it, headers=headers)[0] == 400, "another query"
    assert send(aws, path="/a", body=closing_it, headers=headers)[0] == 400, "another path"
    deleted = {**headers, "X-Amz-Target": "DynamoDB_20120810.DeleteTable"}
    assert send(aws, body=closing_it, headers=deleted)[0] == 400, "another operation"
    elsewhere = {**headers, "Authorization": headers["Authorization"].replace(TOKYO, "ap-northeast-3")}
    assert send(aws, body=closing_it, headers=elsewhere)[0] == 400, "another region"


def test_a_url_that_was_presigned_for_a_query_service_holds_as_long_as_it_says(aws: LabAws) -> None:
    query = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    for expires, status in ((60, 200), (-1, 403)):
        request = AWSRequest("GET", f"{aws.url}/?{query}")
        SigV4QueryAuth(Credentials(*user().values()), "sts", TOKYO, expires).add_auth(request)
        assert send(aws, "GET", request.prepare().url.removeprefix(aws.url))[0] == status


# Web pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "localhost", ""])
def test_a_host_that_is_none_of_the_endpoint_s_gets_no_answer(aws: LabAws, host: str) -> None:
    """A name that a page's owner points at 127.0.0.1 (DNS rebinding) makes the endpoint that page's own origin."""
    named = host.format(port=aws.plan.aws_port)
    token = {"Host": named, "Authorization": f"Bearer {ACCESS.token}"}
    status, body = send(aws, "GET", "/chaosdrill/faults", headers=token)
    assert (status, "faults" in json.loads(body)) == (421, False)
    fault = json.dumps({"service": "dynamodb", "kind": "denied"}).encode()
    assert send(aws, "PUT", "/chaosdrill/faults", fault, token)[0] == 421
    headers = signed(ACCESS.user, "POST", f"http://{named}/", TOKYO, "dynamodb", DYNAMODB, json.dumps(UPDATE).encode())
    assert send(aws, body=json.dumps(UPDATE).encode(), headers=headers)[0] == 421


@pytest.mark.parametrize(
    "from_a_page",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_a_page_of_another_origin_sends_is_refused_even_when_it_is_signed(
    aws: LabAws, from_a_page: dict[str, str]
) -> None:
    headers = update(aws, more=from_a_page)
    assert send(aws, body=json.dumps(UPDATE).encode(), headers=headers)[0] == 403
    token = {"Authorization": f"Bearer {ACCESS.token}", **from_a_page}
    assert send(aws, "DELETE", "/chaosdrill/faults", headers=token)[0] == 403
    assert send(aws, "OPTIONS", "/chaosdrill/faults", headers=token)[0] == 403


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
def test_a_form_is_no_request_to_a_json_service(aws: LabAws, kind: str) -> None:
    body = json.dumps(UPDATE).encode()
    headers = update(aws, more={"Content-Type": kind})
    assert send(aws, body=body, headers=headers)[0] == 400


def test_the_query_names_no_operation_of_a_json_service(aws: LabAws) -> None:
    body = json.dumps(UPDATE).encode()
    for query in ("Action=UpdateItem", "Action=UpdateItem&X-Amz-Target=DynamoDB_20120810.UpdateItem"):
        request = AWSRequest("POST", f"{aws.url}/?{query}", {"Content-Type": "application/x-amz-json-1.0"}, body)
        SigV4Auth(Credentials(*user().values()), "dynamodb", TOKYO).add_auth(request)
        assert send(aws, "POST", f"/?{query}", body, dict(request.headers))[0] == 400


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer guessed", f"Basic {ACCESS.token}"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chaosdrill/health"),
        ("GET", "/chaosdrill/calls"),
        ("PUT", "/chaosdrill/faults"),
        ("DELETE", "/chaosdrill/faults"),
        ("PUT", "/chaosdrill/hurry"),
        ("PUT", "/chaosdrill/writers"),
        ("PUT", "/chaosdrill/arc-endpoints/us-east-1"),
    ],
)
def test_the_lab_s_own_pages_want_its_token(aws: LabAws, method: str, path: str, token: str) -> None:
    fault = json.dumps({"service": "dynamodb", "kind": "denied"}).encode()
    status, body = send(aws, method, path, fault, {"Authorization": token} if token else {})
    assert (status, json.loads(body)["__type"]) == (403, "TokenMissing")


TARGET = "X-Amz-Target: DynamoDB_20120810.UpdateItem\r\nContent-Type: application/x-amz-json-1.0\r\n"
UNSIGNED = {
    "another case": ("PUT /CHAOSDRILL/faults", ""),
    "an encoded letter": ("PUT /%63haosdrill/faults", ""),
    "an encoded slash": ("PUT /chaosdrill%2Ffaults", ""),
    "two slashes": ("PUT //chaosdrill/faults", ""),
    "a dot": ("PUT /./chaosdrill/faults", ""),
    "two dots": ("PUT /x/../chaosdrill/faults", ""),
    "a parameter": ("PUT /chaosdrill;x/faults", ""),
    "an absolute URL": ("PUT http://127.0.0.1/chaosdrill/faults", ""),
    "the token in the query": ("PUT /chaosdrill/faults?token=" + ACCESS.token, ""),
    "the token in a cookie": ("PUT /chaosdrill/faults", f"Cookie: token={ACCESS.token}\r\n"),
    "half of the token": ("PUT /chaosdrill/faults", f"Authorization: Bearer {ACCESS.token[:-1]}\r\n"),
    "the token and more": ("PUT /chaosdrill/faults", f"Authorization: Bearer {ACCESS.token}x\r\n"),
    "the token of another scheme": ("PUT /chaosdrill/faults", f"Authorization: {ACCESS.token}\r\n"),
    "another method": ("PUT /chaosdrill/health", "X-HTTP-Method-Override: GET\r\n"),
    "moto's own reset": ("POST /moto-api/reset", ""),
    "moto's own data": ("GET /moto-api/data.json", ""),
    "moto's own seed": ("POST /moto-api/seed?a=1", ""),
    "an operation": ("POST /", TARGET),
    "an operation, as moto's tests sign": ("POST /", TARGET + "Authorization: AWS4-HMAC-SHA256 Credential=mock\r\n"),
    "an operation with version 2": ("POST /", TARGET + f"Authorization: AWS {ACCESS.user.id}:c2ln\r\n"),
    "an operation with a token": ("POST /", TARGET + f"Authorization: Bearer {ACCESS.token}\r\n"),
    "an operation with the key alone": ("POST /", TARGET + f"Authorization: Credential={ACCESS.user.id}\r\n"),
    "an empty signature": (
        "POST /",
        TARGET + f"Authorization: AWS4-HMAC-SHA256 Credential={ACCESS.user.id}/20260101/{TOKYO}/dynamodb/aws4_request, "
        "SignedHeaders=, Signature=\r\n",
    ),
    "an action in the query": ("GET /?Action=DeleteDBCluster&Version=2014-10-31&DBClusterIdentifier=x", ""),
    "a key in the query": (f"GET /?Action=GetCallerIdentity&AWSAccessKeyId={ACCESS.user.id}&Signature=x", ""),
    "an object": ("PUT /bucket/key", ""),
    "a preflight": ("OPTIONS /", "Access-Control-Request-Method: POST\r\n"),
    "a trace": ("TRACE /", ""),
    "a tunnel": ("CONNECT 127.0.0.1:22", ""),
    "a method of nobody": ("PWN /", ""),
    "an upgrade": ("GET /", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "two lengths": ("POST /", TARGET + "Content-Length: 0\r\n"),
    "a length and chunks": ("POST /", TARGET + "Transfer-Encoding: chunked\r\n"),
}


@pytest.mark.parametrize(("line", "headers"), UNSIGNED.values(), ids=UNSIGNED)
def test_what_is_not_signed_is_refused_in_whatever_form(aws: LabAws, line: str, headers: str) -> None:
    body = json.dumps({**UPDATE, "service": "dynamodb", "kind": "denied"})
    begin = f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{aws.plan.aws_port}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as one:
        one.sendall(begin.encode() + body.encode())
        one.shutdown(socket.SHUT_WR)
        status = one.recv(65_536).split()[1]
    assert status[:1] == b"4" or status == b"501", status
    token = {"Authorization": f"Bearer {ACCESS.token}"}
    assert json.loads(send(aws, "GET", "/chaosdrill/faults", headers=token)[1])["faults"] == []


# Connections ----------------------------------------------------------------------------------------------------------


def test_connections_on_which_nobody_says_anything_do_not_silence_it(aws: LabAws) -> None:
    from chaosdrill.lab.aws.server import MOST_STRANGERS  # imports moto

    kept = http.client.HTTPConnection("127.0.0.1", aws.plan.aws_port, timeout=LONG_S)
    target = {**DYNAMODB, "X-Amz-Target": "DynamoDB_20120810.ListTables"}

    def ask() -> int:
        kept.request("POST", "/", b"{}", signed(ACCESS.user, "POST", f"{aws.url}/", TOKYO, "dynamodb", target, b"{}"))
        response = kept.getresponse()
        response.read()
        return response.status

    with closing(kept), ExitStack() as stack:
        assert ask() == 200
        for begun in (b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{"):
            for _ in range(MOST_STRANGERS):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S))
                one.sendall(begun)
        assert ask() == 200, "on the same connection: it is no stranger's any more"
        assert (
            send(aws, body=b"{}", headers=signed(ACCESS.user, "POST", f"{aws.url}/", TOKYO, "sts", {}, b""))[0] == 403
        )
        wait_for(lambda: threads(aws) < 2 * MOST_STRANGERS, what="the oldest to be closed")


def test_connections_to_its_name_server_do_not_silence_it_either(aws: LabAws) -> None:
    """Both are one process: what one of them holds open, the other cannot open."""
    before = resource.prlimit(aws.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(aws.process.pid, resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", aws.plan.dns_port), LONG_S))
            with closing(http.client.HTTPConnection("127.0.0.1", aws.plan.aws_port, timeout=IDLE_TCP_S / 2)) as one:
                one.request("POST", "/")  # before those that are idle are closed for that
                assert one.getresponse().status == 403
            question = dns.message.make_query("nothing.example", "A")
            assert dns.query.tcp(question, "127.0.0.1", timeout=LONG_S, port=aws.plan.dns_port).id == question.id
    finally:
        resource.prlimit(aws.process.pid, resource.RLIMIT_NOFILE, before)


def threads(aws: LabAws) -> int:
    return len(os.listdir(f"/proc/{aws.process.pid}/task"))


def test_a_stranger_s_large_body_is_not_read(aws: LabAws) -> None:
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as one:
        host = f"Host: 127.0.0.1:{aws.plan.aws_port}"
        one.sendall(f"POST / HTTP/1.1\r\n{host}\r\nContent-Length: 100000000\r\n\r\n".encode())
        assert one.recv(20).startswith(b"HTTP/1.1 413")


def test_a_large_body_with_a_key_of_nobody_is_not_read(aws: LabAws) -> None:
    headers = signed(FOREIGN, "POST", f"{aws.url}/", TOKYO, "s3", {}, b"")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "host")
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as one:
        host = f"Host: 127.0.0.1:{aws.plan.aws_port}"
        one.sendall(f"POST / HTTP/1.1\r\n{host}\r\n{lines}Content-Length: 100000000\r\n\r\n".encode())
        assert one.recv(20).startswith(b"HTTP/1.1 413")


def test_a_stranger_s_large_body_in_chunks_is_not_read(aws: LabAws) -> None:
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as one:
        host, part = f"Host: 127.0.0.1:{aws.plan.aws_port}", b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        one.sendall(f"POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + part * 17)
        assert one.recv(20).startswith(b"HTTP/1.1 413")  # there is more to come, which it does not wait for


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "1e1", "\u0661", "9" * 5_000])
def test_a_length_that_is_none_is_no_request(aws: LabAws, length: str) -> None:
    with socket.create_connection(("127.0.0.1", aws.plan.aws_port), LONG_S) as one:
        host = f"Host: 127.0.0.1:{aws.plan.aws_port}"
        one.sendall(f"POST / HTTP/1.1\r\n{host}\r\nContent-Length: {length}\r\n\r\n".encode())
        assert one.recv(12) in (b"HTTP/1.1 413", b"HTTP/1.1 400")


# Another user ---------------------------------------------------------------------------------------------------------

ATTACK = """
import encodings.idna, http.client, json, os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
port, config, plan, socket_path = int(sys.argv[1]), *sys.argv[2:5]
found = {}
for path in (config, plan):
    try:
        found[path] = open(path).read()
    except OSError as error:
        found[path] = type(error).__name__
try:
    socket.socket(socket.AF_UNIX).connect(socket_path)
    found["socket"] = "connected"
except OSError as error:
    found["socket"] = type(error).__name__
def send(headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", sys.argv[5], headers)
    return connection.getresponse().status
kind = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.UpdateItem"}
scope = "/20260101/ap-northeast-1/dynamodb/aws4_request"
found["statuses"] = [send(kind)] + [
    send({**kind, "Authorization":
        f"AWS4-HMAC-SHA256 Credential={key}{scope}, SignedHeaders=host, Signature={signature}"})
    for key in ("test", "lab", "chaosdrill", "AKIATESTTESTTESTTEST") for signature in ("0", "0" * 64)
]
print(json.dumps(found))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_machine_reads_no_key_and_changes_nothing(aws: LabAws, tmp_path_factory: Any) -> None:
    plan = aws.plan
    base = tmp_path_factory.getbasetemp().parent
    closed = [one for one in (plan.directory, *plan.directory.parents) if one.is_relative_to(base)]
    modes = {one: one.stat().st_mode for one in closed}
    files = [str(one) for one in (plan.aws_config_file, plan.directory / "plan.json", plan.control_socket)]
    command = [sys.executable, "-I", "-c", ATTACK, str(plan.aws_port), *files, json.dumps(UPDATE)]
    for one in (*closed, plan.aws_config_file.parent):
        one.chmod(0o755)  # nothing but each file's own mode is in the way
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        for one, mode in modes.items():
            one.chmod(mode)
    found = json.loads(done.stdout)
    assert {found[files[0]], found[files[1]], found["socket"]} == {"PermissionError"}
    assert set(found["statuses"]) <= {400, 403}


def test_what_holds_keys_is_its_owner_s_alone_whatever_the_umask(tmp_path: Any) -> None:
    before = os.umask(0)
    try:
        LabPlan(tmp_path, 1, 1, 2, 3).save(tmp_path / "plan.json")
    finally:
        os.umask(before)
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_each_lab_has_keys_of_its_own() -> None:
    one, other = Access.random(), Access.random()
    assert not {one.user, one.parts, one.token} & {other.user, other.parts, other.token}
    assert one.user.secret not in repr(one)
