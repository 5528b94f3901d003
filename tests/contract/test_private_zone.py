"""The domain is in a private zone: only the VPCs of that zone resolve it, so it is looked up on the client host.

In this rig the client host is an address of this machine's own loopback network, in a VPC of the zone.
"""

import json
import shlex
import shutil
import socket
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner

from chaosdrill import region
from chaosdrill.aws import system_of
from chaosdrill.cli import cli
from chaosdrill.client import domain, heartbeat
from chaosdrill.client.heartbeat_records import HeartbeatFiles
from chaosdrill.dns import probes
from tests.contract import lab_aws
from tests.contract.accounts import profile
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with
from tests.waiting import LONG_S

CLIENT = "127.8.0.10"
TOKYO_S, OSAKA_S = ["10.100.5.165", "10.100.9.84"], ["10.101.11.178", "10.101.4.37"]
DIG = shutil.which("dig")
needs_dig = pytest.mark.skipif(DIG is None, reason="there is no dig here")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A strict lab in which ``dig`` on the client host asks the lab's DNS from an address of the client VPC."""
    directory = tmp_path_factory.mktemp("lab")
    with lab_aws.running(directory, private_zone=True) as lab:
        programs = directory / "client"
        programs.mkdir()
        (programs / "dig").write_text(
            f'#!/bin/sh\nexec {shlex.quote(str(DIG))} -b {CLIENT} @127.0.0.1 -p {lab.plan.dns_port} "$@"\n'
        )
        (programs / "dig").chmod(0o755)
        lab.supervisor.path = f"{programs}:{lab.supervisor.path}"
        vpc = lab.client("ec2", TOKYO).create_vpc(CidrBlock="127.8.0.0/16")["Vpc"]["VpcId"]
        lab.client("route53").associate_vpc_with_hosted_zone(HostedZoneId=zone(lab), VPC=_vpc(vpc))
        yield Rig(lab)


@pytest.fixture(autouse=True)
def home(rig: Rig) -> Iterator[None]:
    yield
    rig.go_home()


@pytest.fixture
def configuration(rig: Rig, tmp_path: Path) -> dict[str, Any]:
    """A topology of its own: nothing that another test looked up is remembered for it."""
    return rig.other_topology(tmp_path / "topology.yaml")


def _vpc(identifier: str) -> dict[str, str]:
    return {"VPCId": identifier, "VPCRegion": TOKYO}


def zone(lab: lab_aws.LabAws) -> str:
    return str(lab.client("route53").list_hosted_zones()["HostedZones"][0]["Id"]).rsplit("/", 1)[1]


def ask(lab: lab_aws.LabAws, name: str, source: str, over: Any = dns.query.udp) -> dns.message.Message:
    query = dns.message.make_query(name, "A", use_edns=0)
    reply: dns.message.Message = over(query, "127.0.0.1", port=lab.plan.dns_port, source=source, timeout=LONG_S)
    return reply


def addresses_in(reply: dns.message.Message) -> list[str]:
    return sorted(str(one) for rrset in reply.answer for one in rrset)


def digs(rig: Rig) -> int:
    return sum("dig" in one["command"] for one in rig.lab.supervisor.asked("client.run"))


@pytest.mark.parametrize("over", [dns.query.udp, dns.query.tcp])
def test_outside_its_vpcs_the_domain_does_not_exist_and_the_answer_says_why(rig: Rig, over: Any) -> None:
    reply = ask(rig.lab, "api.example.com", "127.0.0.1", over)
    assert (reply.rcode(), addresses_in(reply)) == (dns.rcode.NXDOMAIN, [])
    (explained,) = reply.extended_errors()
    assert "chaosdrill lab exec -- dig api.example.com" in explained.text
    assert addresses_in(ask(rig.lab, "api.example.com", CLIENT, over)) == TOKYO_S


def test_a_load_balancer_s_own_name_resolves_everywhere(rig: Rig) -> None:
    described = rig.lab.client("elbv2", TOKYO).describe_load_balancers()["LoadBalancers"][0]
    assert addresses_in(ask(rig.lab, described["DNSName"], "127.0.0.1")) == TOKYO_S


def test_the_zone_is_of_the_client_s_vpc_and_of_those_in_which_application_and_canaries_are(rig: Rig) -> None:
    described = rig.lab.client("route53").get_hosted_zone(Id=zone(rig.lab))
    assert described["HostedZone"]["Config"]["PrivateZone"] is True
    names = []
    for vpc in described["VPCs"]:
        found = rig.lab.client("ec2", vpc["VPCRegion"]).describe_vpcs(VpcIds=[vpc["VPCId"]])["Vpcs"][0]
        names += [tag["Value"] for tag in found.get("Tags", [])]
    assert sorted(names) == ["canary", "client", "osaka-app", "tokyo-app"]


def test_route_53_does_not_test_answers_of_private_zones(rig: Rig) -> None:
    asked = {"HostedZoneId": zone(rig.lab), "RecordName": "api.example.com", "RecordType": "A"}
    with pytest.raises(ClientError) as refused:
        rig.lab.client("route53").test_dns_answer(**asked)
    assert refused.value.response["Error"]["Code"] == "InvalidInput"


@needs_dig
def test_the_domain_is_looked_up_where_clients_are_and_only_there(rig: Rig, tmp_path: Path) -> None:
    own = rig.lab.topology["dns"]
    here = rig.other_topology(tmp_path / "here.yaml", dns={**own, "seen_from": "here"})
    client = rig.other_topology(tmp_path / "client.yaml", dns={**own, "seen_from": "client"})
    assert own["seen_from"] == "client"
    facts = region.read_region_facts(here, None)
    assert (facts["dns"]["regions"], region.verdict(facts)) == ([], "split"), "as from a machine outside the VPCs"
    facts = region.read_region_facts(client, None)
    assert facts["dns"] == {"addresses": TOKYO_S, "regions": [TOKYO], "seen_from": "client"}
    assert region.verdict(facts) == f"serving({TOKYO})"


@needs_dig
def test_one_lookup_serves_many_readings_and_a_new_one_follows(
    rig: Rig, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "EVERY_S", LONG_S / rig.lab.plan.scale)
    before = digs(rig)
    for _ in range(5):
        region.read_region_facts(configuration, None)
    assert digs(rig) == before + 1
    rig.route(tokyo="Off", osaka="On")
    monkeypatch.setattr(domain, "EVERY_S", 0.0)
    facts = region.read_region_facts(configuration, None)["dns"]
    assert (sorted(facts["addresses"]), facts["regions"]) == (OSAKA_S, [OSAKA])


def test_a_client_host_that_takes_no_commands_leaves_the_state_unknown(rig: Rig, configuration: dict[str, Any]) -> None:
    rig.lab.supervisor.refuse["client.run"] = "the host is down"
    facts = region.read_region_facts(configuration, None)
    assert set(facts["dns"]) == {"error"}
    assert region.verdict(facts) == "unknown"


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({}, True),
        ({"where": "local"}, False),
        ({"ended": True}, False),
        ({"settings": {"url": "http://other.example.com"}}, False),
    ],
)
@needs_dig
def test_while_the_heartbeat_runs_there_its_lookups_count(
    rig: Rig, configuration: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, used: bool
) -> None:
    kept = HeartbeatFiles(tmp_path, ("beats.jsonl",))
    kept.append("beats.jsonl", json.dumps(["d", 1, OSAKA_S, 60, ""]).encode() + b"\n")
    known = {"ended": False, "where": "ssm", "settings": {"url": "http://api.example.com"}, "kept": kept, **changes}
    path = system_of(configuration).topology.path
    monkeypatch.setitem(heartbeat._own, path, types.SimpleNamespace(**known))  # type: ignore[arg-type]
    before = digs(rig)
    assert domain.domain_addresses(system_of(configuration)) == tuple(sorted(OSAKA_S) if used else TOKYO_S)
    assert (digs(rig) == before) is used


@needs_dig
def test_probes_ask_where_the_topology_says(rig: Rig, configuration: dict[str, Any]) -> None:
    assert probes.ttl_s(configuration=configuration) == rig.lab.plan.ttl_s
    assert probes.addresses(configuration=configuration) == TOKYO_S
    with fails_with("argument-invalid"):
        probes.answers_agree(configuration=configuration)
    assert probes.answers_agree(["client", "here"], configuration=configuration) is False
    assert probes.answers_agree(["client", "client"], configuration=configuration) is True


def test_a_check_reads_only_and_says_where_the_domain_is_looked_up(rig: Rig, configuration: dict[str, Any]) -> None:
    before = len(rig.lab.supervisor.asked("client.run"))
    rows = json.loads(CliRunner().invoke(cli, ["topology", "check", configuration["topology"], "--json"]).stdout)
    (row,) = [row for row in rows if row["part"] == "domain"]
    assert (row["ok"], rig.lab.topology["client"]["instance_id"] in row["value"]) == (True, True)
    assert len(rig.lab.supervisor.asked("client.run")) == before


def test_discovery_finds_that_the_zone_is_private(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        monkeypatch.setattr("chaosdrill.discovery.client_side.LOCUST_PORT", unused.getsockname()[1])
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    name = profile(config, rig.lab.url, {})
    regions = ["--home", TOKYO, "--standby", OSAKA]
    found = CliRunner().invoke(cli, ["topology", "discover", "--profile", name, *regions])
    assert yaml.safe_load(found.stdout)["dns"] == {"seen_from": "client"}
