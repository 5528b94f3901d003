"""The endpoint itself: what it writes, refuses and answers when it cannot."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.signing import signed
from tests.contract import lab_aws
from tests.contract.lab_aws import ACCESS, LabAws, get
from tests.waiting import LONG_S

HOME = "ap-northeast-1"
UNREAD = b"GET /unsigned HTTP/1.1\r\nHost: lab\r\n\r\n"  # what is left of a body would be the next request
HEAVY = {"cfnlint", "docker", "sympy", "networkx", "openapi_spec_validator", "pydantic", "locust", "gevent"}


def test_the_topology_names_what_is_there(aws: LabAws) -> None:
    topology = aws.topology
    assert (topology["version"], topology["target"], topology["accounts"]) == (1, "lab", ["123456789012"])
    assert topology["regions"] == {"home": HOME, "standby": "ap-northeast-3"}
    assert topology["dns"] == {"nameserver": "127.0.0.1", "port": aws.plan.dns_port}
    assert topology["packet_loss"]["drop_counter_command"].startswith(sys.executable)
    assert topology["time_scale"] == aws.plan.scale
    assert len(topology["routing"]["cluster_endpoints"]) == 5
    names = {one["name"] for one in aws.client("stepfunctions").list_state_machines()["stateMachines"]}
    for prefix in (topology["failover"]["failover_prefix"], topology["failover"]["failback_prefix"]):
        assert len([name for name in names if name.startswith(prefix)]) == 1


def test_the_config_file_is_enough_to_reach_it(aws: LabAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", aws.topology["aws"]["config_file"])
    session = boto3.Session(profile_name=aws.topology["aws"]["profile"])
    sts = session.client("sts")
    assert sts.get_caller_identity()["Account"] == aws.plan.account
    assert sts.meta.region_name == HOME
    sts.close()
    assert aws.plan.aws_config_file.stat().st_mode & 0o777 == 0o600


def test_an_unknown_service_is_501_and_says_which(aws: LabAws) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("kinesis").list_streams()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "kinesis" in error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ec2", "describe_capacity_blocks"),  # EC2's XML
        ("rds", "describe_pending_maintenance_actions"),  # query XML
        ("route53", "list_traffic_policies"),  # REST XML
        ("dynamodb", "list_contributor_insights"),  # JSON
    ],
)
def test_an_action_that_is_missing_is_501_in_the_services_own_form(aws: LabAws, service: str, operation: str) -> None:
    with pytest.raises(ClientError) as error:
        getattr(aws.client(service), operation)()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert error.value.response["Error"]["Code"] == "NotImplementedByLab"


@pytest.mark.parametrize("service", ["dynamodb", "rds"])
def test_an_error_inside_is_500_in_the_services_own_form(aws: LabAws, service: str) -> None:
    kinds = {"dynamodb": "application/x-amz-json-1.0", "rds": "application/x-www-form-urlencoded"}
    kind = {"Content-Type": kinds[service], "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    headers = signed(ACCESS.user, "POST", f"{aws.url}/", "us-east-1", service, kind, b"{not JSON")
    request = urllib.request.Request(f"{aws.url}/", b"{not JSON", headers)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=LONG_S)
    body = error.value.read().decode()
    error.value.close()
    assert error.value.code == 500
    assert ('"__type": "InternalFailure"' if service == "dynamodb" else "<Code>InternalFailure</Code>") in body


def test_an_unsigned_request_is_403(aws: LabAws) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        get(f"{aws.url}/")
    assert error.value.code == 403
    error.value.close()


def test_connections_are_kept(aws: LabAws) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", aws.plan.aws_port, timeout=LONG_S)
    used = set()
    token = {"Authorization": f"Bearer {ACCESS.token}"}
    for path, body in (("/chaosdrill/health", None), ("/unsigned", UNREAD), ("/chaosdrill/health", None)):
        connection.request("POST" if body else "GET", path, body, token)
        answer = connection.getresponse()
        answer.read()
        assert connection.sock is not None, f"closed after {path}"
        used.add(connection.sock.getsockname())
    connection.close()
    assert len(used) == 1
    assert answer.status == 200


def test_nothing_heavy_is_imported(aws: LabAws) -> None:
    code = (
        "import sys; from pathlib import Path; from chaosdrill.lab.aws import runtime;"
        "from chaosdrill.lab.plan import LabPlan; runtime.use(LabPlan.load(Path(sys.argv[1])));"
        f"import chaosdrill.lab.aws.endpoint; print(sorted({HEAVY} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(aws.plan.directory / "plan.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_version_of_moto_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "moto-5.2.6.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: moto\nVersion: 5.2.6\n")
    LabPlan(tmp_path, 1, 1, 2, 3).save(tmp_path / "plan.json")
    fds = ["--aws-fd", "0", "--dns-udp-fd", "0", "--dns-tcp-fd", "0"]
    command = [sys.executable, "-m", "chaosdrill.lab.aws", str(tmp_path / "plan.json"), *fds]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 1
    assert all(version in done.stderr for version in ("moto[server]", "5.2.5", "5.2.6"))
    assert "Traceback" not in done.stderr


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    with lab_aws.running(tmp_path) as lab:
        lab.process.send_signal(signal.SIGTERM)
        assert lab.process.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", lab.plan.aws_port), timeout=LONG_S)
