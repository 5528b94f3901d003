"""What is assumed of AWS holds in the lab; each assumption that is broken there on purpose is found."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chaosdrill.aws import System, recorder, system_of
from chaosdrill.aws.recorder import RecordedCall
from chaosdrill.cli.topology import check as cli_check
from chaosdrill.client.host.inspection import TOOLS
from chaosdrill.conformance.assumptions import AS_ASSUMED, DIFFERS, UNREADABLE, CheckedAssumption
from chaosdrill.conformance.check import conformance
from chaosdrill.conformance.watching import watched
from chaosdrill.experiment_files import configuration_of
from chaosdrill.failover.actions import fail_over
from chaosdrill.packet_loss import role_documents
from chaosdrill.policies import filled, policy_of
from chaosdrill.rehearsal import bundle
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import KEYS, get, write_program
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

BUCKET = "conformance-test"
BASICS = ("sh", "cat", "id", "grep", "uname", "mkdir", "getent", "cut", "wc")
DIG = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\napi.example.com. 60 IN A 10.100.5.165"
HEADERS = "routing.http.drop_invalid_header_fields.enabled"
Break = Callable[[Rig, Path], None]


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


@pytest.fixture
def host(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the client host's programs: a shell's, the fault's tools, the rig's Python."""
    there = tmp_path / "programs"
    there.mkdir()
    for name in BASICS:
        (there / name).symlink_to(next(path for path in (Path("/bin", name), Path("/usr/bin", name)) if path.exists()))
    for name in (*TOOLS, "modprobe"):
        write_program(there / name, "exit 0")
    write_program(there / "dig", f"echo '{DIG}'")
    python = Path(rig.lab.supervisor.path.split(os.pathsep)[0])
    for link in python.glob("python3*"):
        (there / link.name).symlink_to(link.resolve())
    monkeypatch.setattr(rig.lab.supervisor, "path", str(there))
    return there


@pytest.fixture
def topology(rig: Rig, tmp_path: Path) -> Iterator[Path]:
    """The lab's, with a bucket."""
    s3 = rig.lab.client("s3", TOKYO)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": TOKYO})
    path = tmp_path / "topology.yaml"
    rig.other_topology(path, client=rig.client_host(run="ssm", s3=BUCKET))
    wait_for(lambda: published(rig), what="the lag to be in CloudWatch")
    yield path
    s3.delete_bucket(Bucket=BUCKET)


def published(rig: Rig) -> bool:
    cluster = rig.lab.topology["database"]["clusters"][OSAKA].rsplit(":", 1)[-1]
    dimensions = [{"Name": "DBClusterIdentifier", "Value": cluster}, {"Name": "SourceRegion", "Value": TOKYO}]
    now, metric = datetime.now(UTC), {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag"}
    span = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1), "Period": 60}
    metrics = rig.lab.client("cloudwatch", OSAKA)
    found = metrics.get_metric_statistics(**metric, Dimensions=dimensions, **span, Statistics=["Maximum"])
    return bool(found["Datapoints"])


def checked(path: Path, watch_s: float = 0.0, secrets: Any = None) -> dict[str, CheckedAssumption]:
    system: System = system_of({"topology": str(path)}, secrets)
    policy = filled(policy_of("failover"), system.topology, configuration_of("failover"))
    return {one.subject: one for one in conformance(system, policy, on_host=True, watch_s=watch_s)}


def not_as_assumed(rows: Mapping[str, CheckedAssumption]) -> dict[str, str]:
    return {subject: one.state for subject, one in rows.items() if one.state != AS_ASSUMED}


def test_the_lab_is_as_assumed(rig: Rig, topology: Path, host: Path) -> None:
    rows = checked(topology)
    assert not_as_assumed(rows) == {}, rows
    assert len(rows) >= 15
    commands = [one["command"] for one in rig.lab.supervisor.asked("client.run") if "conformance" in one["command"]]
    assert len(commands) == 1, "one harmless command"


@contextmanager
def engaged(rig: Rig) -> Iterator[None]:
    fis = rig.lab.client("fis", OSAKA)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    yield
    fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


@contextmanager
def denied(rig: Rig) -> Iterator[None]:
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": "fis", "kind": "denied", "operation": "StopExperiment"}, "PUT")
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@contextmanager
def role_that_lacks_something(rig: Rig) -> Iterator[None]:
    iam, named = rig.lab.client("iam"), {"RoleName": role_documents.NAME, "PolicyName": role_documents.POLICY}
    before = json.dumps(iam.get_role_policy(**named)["PolicyDocument"])
    allow = {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": "*"}
    iam.put_role_policy(**named, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    yield
    iam.put_role_policy(**named, PolicyDocument=before)


@contextmanager
def bucket_elsewhere(rig: Rig) -> Iterator[None]:
    rig.lab.client("s3", TOKYO).delete_bucket(Bucket=BUCKET)
    rig.lab.client("s3", OSAKA).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": OSAKA})
    yield


@contextmanager
def endpoint_that_fails(rig: Rig) -> Iterator[None]:
    region = rig.lab.topology["routing"]["cluster_endpoints"][3]["region"]
    fault = {"service": "route53-recovery-cluster", "kind": "server-error", "region": region}
    get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@contextmanager
def headers_dropped(rig: Rig) -> Iterator[None]:
    elb, arn = rig.lab.client("elbv2", TOKYO), rig.lab.topology["load_balancers"][TOKYO]["arn"]
    for value in ("true", "false"):
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": HEADERS, "Value": value}])
        if value == "true":
            yield


@pytest.mark.parametrize(
    ("broken", "subject", "state"),
    [
        (engaged, f"FIS safety lever of {OSAKA}", DIFFERS),
        (denied, "permissions of these credentials", DIFFERS),
        (role_that_lacks_something, f"permissions of the role {role_documents.NAME}", DIFFERS),
        (bucket_elsewhere, f"bucket {BUCKET}", DIFFERS),
        (endpoint_that_fails, "endpoints of the ARC cluster", UNREADABLE),
        (headers_dropped, f"headers at the load balancer of {TOKYO}", DIFFERS),
    ],
)
def test_what_is_broken_in_the_lab_is_found(
    rig: Rig, topology: Path, host: Path, broken: Any, subject: str, state: str
) -> None:
    with broken(rig):
        assert not_as_assumed(checked(topology)) == {subject: state}


def test_a_host_that_differs_is_found_in_each_way(rig: Rig, topology: Path, host: Path) -> None:
    for name in ("wc", "jq", "lsof", *(path.name for path in host.glob("python3*"))):
        (host / name).unlink()
    write_program(host / "wc", "cat >/dev/null; echo 24000")
    facts = '{"executable":"/usr/bin/python3","implementation":"cpython","python":[3,9],"machine":"x86_64",'
    write_program(host / "python3", f"""echo '{facts}"libc":["glibc","2.34"],"directory":"/tmp"}}'; exit 1""")
    write_program(host / "dig", "echo ';; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1'")
    instance = rig.lab.topology["client"]["instance_id"]
    assert not_as_assumed(checked(topology)) == {
        "length of an SSM command": DIFFERS,
        f"tools on {instance}": DIFFERS,
        f"Python for Locust on {instance}": DIFFERS,
        f"Python for the heartbeat on {instance}": DIFFERS,
        "where api.example.com resolves": DIFFERS,
    }


def test_a_zone_that_is_looked_up_from_the_wrong_place_is_found(rig: Rig, topology: Path, host: Path) -> None:
    facts = yaml.safe_load(topology.read_text())
    other = {"client": "here", "here": "client"}[facts["dns"].get("seen_from", "here")]
    topology.write_text(json.dumps({**facts, "dns": {**facts["dns"], "seen_from": other}}))
    assert not_as_assumed(checked(topology)) == {"where api.example.com resolves": DIFFERS}


def test_changes_are_watched_while_a_drill_makes_them(rig: Rig, topology: Path) -> None:
    system = system_of({"topology": str(topology)})
    nothing = [one.check().state for one in watched(system, 0.1)]
    assert nothing == [UNREADABLE] * 3, "nothing happened meanwhile"
    begin = looks(rig)

    def change() -> None:
        wait_for(lambda: looks(rig) > begin + 1, what="the watch to have begun")
        with rig.lab.supervisor.writer_held():
            moving = threading.Thread(target=fail_over, kwargs={"configuration": rig.configuration})
            moving.start()
            moves = ("database.switchover", "database.failover")
            wait_for(lambda: any(rig.lab.supervisor.asked(one) for one in moves))
            now = looks(rig)
            wait_for(lambda: looks(rig) > now + 2, what="the watch to see the change")
        moving.join()

    rig.lab.supervisor.calls.clear()
    changing = threading.Thread(target=change)
    changing.start()
    rows = [one.check() for one in watched(system, LONG_S)]
    changing.join()
    assert [one.state for one in rows] == [AS_ASSUMED] * 3, rows
    rig.go_home()


def looks(rig: Rig) -> int:
    """How often the global cluster was described."""
    calls = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    return sum(one["operation"] == "DescribeGlobalClusters" and one["by"] == "chaosdrill" for one in calls)


def test_machines_that_cannot_be_found_take_no_other_row_away(rig: Rig, topology: Path, host: Path) -> None:
    facts = yaml.safe_load(topology.read_text())
    topology.write_text(json.dumps({**facts, "failover": {**facts["failover"], "failover_prefix": "NoSuchMachine"}}))
    rows = checked(topology, watch_s=0.1)
    assert [one.state for one in rows.values()][-1] == UNREADABLE
    assert len(rows) > 10


@pytest.fixture
def recorded(rig: Rig, topology: Path, host: Path, tmp_path: Path) -> tuple[Path, list[RecordedCall]]:
    """What the command has written, made a topology and calls again."""
    path = tmp_path / "bundle.json"
    ran = CliRunner().invoke(cli_check, [str(topology), "--conformance", "--on-host", "--export", str(path), "--json"])
    assert ran.exit_code == 0, ran.output
    raw, calls = bundle.load(path)
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump({**raw, "aws": {"endpoint_url": "http://127.0.0.1:9"}}))
    assert rig.lab.plan.account not in path.read_text(), "redacted"
    return again, calls


def replayed(again: Path, calls: list[RecordedCall]) -> dict[str, CheckedAssumption]:
    with recorder.playing(calls):
        return checked(again, secrets=KEYS)


def changed(calls: list[RecordedCall], operation: str, old: str, new: str) -> list[RecordedCall]:
    text = {id(call): json.dumps(call.answer, default=str) for call in calls if call.operation == operation}
    assert any(re.search(old, one) for one in text.values()), f"{operation} answers nothing with {old}"
    return [
        replace(call, answer=json.loads(re.sub(old, new, text[id(call)]))) if id(call) in text else call
        for call in calls
    ]


def test_the_bundle_replays_and_tells_what_differs_elsewhere(recorded: tuple[Path, list[RecordedCall]]) -> None:
    again, calls = recorded
    whole = replayed(again, calls)
    assert not_as_assumed(whole) == {}, whole
    document = "AWSFIS-Run-Network-Packet-Loss-Sources"
    for operation, old, new, subject in (
        ("DescribeDocument", "FlowsPercent", "FlowPercent", f"parameters of {document}"),
        ("GetDocument", "netem", "iptables", f"how {document} loses packets"),
        ("DescribeGlobalClusters", '"connected"', '"pending-resync"', "global cluster chaosdrill-global"),
    ):
        assert not_as_assumed(replayed(again, changed(calls, operation, old, new))) == {subject: DIFFERS}
    lag = changed(calls, "GetMetricData", r'"Values": \[[^]]*\]', '"Values": []')
    assert list(not_as_assumed(replayed(again, lag))) == ["dimensions of AuroraGlobalDBRPOLag"]


def test_options_of_conformance_alone_are_refused(topology: Path) -> None:
    ran = CliRunner().invoke(cli_check, [str(topology), "--on-host"])
    assert ran.exit_code != 0
