"""DNS of the lab: Route 53's records and ARC's states, answered by a real resolver's rules."""

import socket
import struct
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.contract.lab_aws import LabAws
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"


def ask(lab: LabAws, name: str, type_: str = "A", over: Any = dns.query.udp, **options: Any) -> dns.message.Message:
    query = dns.message.make_query(name, type_, **options)
    reply: dns.message.Message = over(query, "127.0.0.1", port=lab.plan.dns_port, timeout=LONG_S)
    return reply


def zone_id(lab: LabAws) -> str:
    return str(lab.client("route53").list_hosted_zones()["HostedZones"][0]["Id"])


def change(lab: LabAws, action: str, *records: dict[str, Any]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": record} for record in records]
    lab.client("route53").change_resource_record_sets(HostedZoneId=zone_id(lab), ChangeBatch={"Changes": changes})


def plain(name: str, type_: str, *values: str) -> dict[str, Any]:
    records = [{"Value": value} for value in values]
    return {"Name": name, "Type": type_, "TTL": 7, "ResourceRecords": records}


def test_both_addresses_come_with_the_scaled_ttl_and_each_comes_first_now_and_then(aws: LabAws) -> None:
    firsts = set()
    for _ in range(40):
        reply = ask(aws, "API.example.COM")
        assert reply.answer[0].ttl == aws.plan.ttl_s
        assert {one.address for one in reply.answer[0]} == set(aws.plan.home.load_balancer_addresses)
        firsts.add(next(iter(reply.answer[0])).address)
    assert firsts == set(aws.plan.home.load_balancer_addresses)
    assert reply.flags & dns.flags.AA


def test_a_load_balancer_s_own_name_leads_to_its_addresses(aws: LabAws) -> None:
    for region in aws.plan.regions:
        described = aws.client("elbv2", region.name).describe_load_balancers()["LoadBalancers"][0]
        reply = ask(aws, described["DNSName"].upper())
        assert {one.address for one in reply.answer[0]} == set(region.load_balancer_addresses)


@pytest.mark.parametrize("over", [dns.query.udp, dns.query.tcp])
@pytest.mark.parametrize(
    ("name", "type_", "rcode"),
    [
        ("api.example.com", "AAAA", dns.rcode.NOERROR),
        ("api.example.com", "TXT", dns.rcode.NOERROR),
        ("api.example.com", "TYPE65399", dns.rcode.NOERROR),
        ("nothing.example.com", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_no_data_is_not_no_name(aws: LabAws, over: Any, name: str, type_: str, rcode: dns.rcode.Rcode) -> None:
    reply = ask(aws, name, type_, over)
    assert (reply.rcode(), reply.answer) == (rcode, [])
    assert reply.authority[0].rdtype == dns.rdatatype.SOA


@pytest.mark.parametrize("type_", ["SOA", "NS"])
def test_the_zones_own_records_are_there(aws: LabAws, type_: str) -> None:
    assert ask(aws, "example.com", type_).answer[0].rdtype == dns.rdatatype.from_text(type_)


@pytest.mark.parametrize("name", ["example.org", "com", ".", "notexample.com"])
def test_other_names_are_refused(aws: LabAws, name: str) -> None:
    assert ask(aws, name).rcode() == dns.rcode.REFUSED


def test_records_that_users_add_are_answered(aws: LabAws) -> None:
    added = [plain("web.example.com", "CNAME", "api.example.com"), plain("a.deep.example.com", "A", "192.0.2.7")]
    change(aws, "CREATE", *added)
    try:
        reply = ask(aws, "web.example.com")
        assert [one.rdtype for one in reply.answer] == [dns.rdatatype.CNAME, dns.rdatatype.A]
        assert {one.address for one in reply.answer[1]} == set(aws.plan.home.load_balancer_addresses)
        assert ask(aws, "a.deep.example.com").answer[0].ttl == 7
        assert ask(aws, "deep.example.com").rcode() == dns.rcode.NOERROR  # an empty name between two
    finally:
        change(aws, "DELETE", *added)


def test_a_reply_too_long_for_udp_is_cut_and_whole_over_tcp(aws: LabAws) -> None:
    many = plain("many.example.com", "A", *[f"192.0.2.{i}" for i in range(60)])
    change(aws, "CREATE", many)
    try:
        assert ask(aws, "many.example.com").flags & dns.flags.TC
        assert len(ask(aws, "many.example.com", use_edns=0, payload=4096).answer[0]) == 60
        assert len(ask(aws, "many.example.com", over=dns.query.tcp).answer[0]) == 60
    finally:
        change(aws, "DELETE", many)


def test_a_record_that_cannot_be_said_is_servfail(aws: LabAws) -> None:
    bad = plain("bad.example.com", "A", "not-an-address")
    change(aws, "CREATE", bad)
    try:
        assert ask(aws, "bad.example.com").rcode() == dns.rcode.SERVFAIL
        assert ask(aws, "api.example.com").rcode() == dns.rcode.NOERROR
    finally:
        change(aws, "DELETE", bad)


def test_what_is_no_query_does_not_hurt(aws: LabAws) -> None:
    update = dns.message.make_query("api.example.com", "A")
    update.set_opcode(dns.opcode.STATUS)
    reply = dns.query.udp(update, "127.0.0.1", port=aws.plan.dns_port, timeout=LONG_S)
    assert reply.rcode() == dns.rcode.NOTIMP
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(LONG_S)
        for noise in (b"", b"\0", b"\xff" * 40, struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\xc0"):
            sender.sendto(noise, ("127.0.0.1", aws.plan.dns_port))
        header = sender.recv(512)  # the last one has a whole header, so it gets an answer
    assert (header[:2], header[3] & 0x0F) == (b"\0\x07", dns.rcode.FORMERR)
    with socket.create_connection(("127.0.0.1", aws.plan.dns_port), timeout=LONG_S) as connection:
        connection.sendall(b"\0\x20short")
    assert ask(aws, "api.example.com").rcode() == dns.rcode.NOERROR


def test_the_answer_follows_the_routing_controls(aws: LabAws) -> None:
    one = aws.topology["routing"]["cluster_endpoints"][0]
    cluster = aws.client("route53-recovery-cluster", one["region"], one["url"])
    arns = aws.topology["routing"]["controls"]
    home, standby = (set(region.load_balancer_addresses) for region in aws.plan.regions)

    def answer_with(home_state: str, standby_state: str) -> set[str]:
        entries = [
            {"RoutingControlArn": arns[HOME], "RoutingControlState": home_state},
            {"RoutingControlArn": arns[STANDBY], "RoutingControlState": standby_state},
        ]
        cluster.update_routing_control_states(UpdateRoutingControlStateEntries=entries)
        return {record.address for record in ask(aws, "api.example.com").answer[0]}

    try:
        assert answer_with("Off", "On") == standby
        assert answer_with("Off", "Off") == home  # nobody healthy: Route 53 answers with the primary
        assert answer_with("On", "On") == home
    finally:
        answer_with("On", "Off")


def test_health_checks_keep_their_routing_control_and_follow_it(aws: LabAws) -> None:
    route53 = aws.client("route53")
    checks = {
        one["HealthCheckConfig"]["RoutingControlArn"]: one for one in route53.list_health_checks()["HealthChecks"]
    }
    arns = aws.topology["routing"]["controls"]
    assert set(checks) == set(arns.values())
    assert {one["HealthCheckConfig"]["Type"] for one in checks.values()} == {"RECOVERY_CONTROL"}
    for region, word in ((HOME, "Success"), (STANDBY, "Failure")):
        status = route53.get_health_check_status(HealthCheckId=checks[arns[region]]["Id"])
        assert status["HealthCheckObservations"][0]["StatusReport"]["Status"].startswith(word)
    made = route53.create_health_check(
        CallerReference="test", HealthCheckConfig={"Type": "RECOVERY_CONTROL", "RoutingControlArn": arns[HOME]}
    )["HealthCheck"]
    assert made["HealthCheckConfig"]["RoutingControlArn"] == arns[HOME]
    route53.delete_health_check(HealthCheckId=made["Id"])


def test_the_zones_soa_is_listed_as_text(aws: LabAws) -> None:
    listed = aws.client("route53").list_resource_record_sets(HostedZoneId=zone_id(aws))["ResourceRecordSets"]
    (soa,) = [one for one in listed if one["Type"] == "SOA"]
    assert soa["ResourceRecords"][0]["Value"].split()[2:] == ["1", "7200", "900", "1209600", "86400"]


def test_route_53_can_be_asked_what_dns_would_answer(aws: LabAws) -> None:
    asked = {"HostedZoneId": zone_id(aws).rsplit("/", 1)[1], "RecordName": "api.example.com", "RecordType": "A"}
    answer = aws.client("route53").test_dns_answer(**asked)
    assert (answer["ResponseCode"], set(answer["RecordData"])) == (
        "NOERROR",
        set(aws.plan.home.load_balancer_addresses),
    )
