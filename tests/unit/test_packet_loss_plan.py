import json
from typing import Any

import pytest

from chaosdrill.packet_loss.plan import (
    PacketLossFault,
    document_parameters,
    iso_duration,
    requested_fault,
    template,
    templates_equal,
)
from chaosdrill.packet_loss.role_documents import permissions
from chaosdrill.packet_loss.sources import written
from tests.failing import fails_with

ADDRESSES = ("10.100.5.165", "10.100.9.84")
DOCUMENT = "arn:aws:ssm:ap-northeast-1::document/AWSFIS-Run-Network-Packet-Loss-Sources"
HOST = "arn:aws:ec2:ap-northeast-1:123456789012:instance/i-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/chaosdrill-packet-loss"
RUNBOOK = PacketLossFault(30, ADDRESSES, "ingress", 1800, 1920)


def test_the_template_is_the_runbook_s() -> None:
    made = template(RUNBOOK, "exp-packetloss", DOCUMENT, HOST, ROLE)
    action = made["actions"]["Run-Network-Packet-Loss"]
    assert action["actionId"] == "aws:ssm:send-command"
    assert action["targets"] == {"Instances": "Instances-Target-1"}
    assert action["parameters"]["documentArn"] == DOCUMENT
    assert action["parameters"]["duration"] == "PT32M", "longer than the document"
    assert json.loads(action["parameters"]["documentParameters"]) == {
        "LossPercent": "30",
        "Sources": "10.100.5.165,10.100.9.84",
        "TrafficType": "ingress",
        "DurationSeconds": "1800",
        "InstallDependencies": "True",
    }
    target = {"resourceType": "aws:ec2:instance", "resourceArns": [HOST], "selectionMode": "ALL"}
    assert made["targets"] == {"Instances-Target-1": target}
    assert made["stopConditions"] == [{"source": "none"}]
    assert (made["roleArn"], made["tags"]) == (ROLE, {"Name": "exp-packetloss", "created-by": "chaosdrill"})


def test_what_is_unusual_is_a_parameter_of_the_document() -> None:
    fault = requested_fault(30, ADDRESSES, "ingress", 1800, None, "ens5", "40")
    written = document_parameters(fault)
    assert (written["Interface"], written["FlowsPercent"]) == ("ens5", "40")
    assert {"Interface", "FlowsPercent"}.isdisjoint(document_parameters(RUNBOOK))


def test_alarms_are_stop_conditions_in_any_order() -> None:
    alarms = [f"arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:{name}" for name in ("b", "a")]
    one, other = (template(RUNBOOK, "exp", DOCUMENT, HOST, ROLE, order) for order in (alarms, alarms[::-1]))
    assert one["stopConditions"][0] == {"source": "aws:cloudwatch:alarm", "value": alarms[0]}
    assert templates_equal(one, other)
    assert not templates_equal(one, template(RUNBOOK, "exp", DOCUMENT, HOST, ROLE))


@pytest.mark.parametrize(("interface", "flows"), [("a b", 100), ("eth0;x", 100), ("x" * 16, 100), ("eth0", 101)])
def test_a_wrong_interface_or_share_is_told(interface: str, flows: int) -> None:
    with fails_with("argument-invalid"):
        requested_fault(30, ADDRESSES, "ingress", 1800, None, interface, flows)


def test_arguments_may_be_texts_as_variables_are() -> None:
    assert requested_fault("30", ADDRESSES, "ingress", "1800") == RUNBOOK
    assert requested_fault(30.0, ADDRESSES, "ingress", 1800) == RUNBOOK


def test_everything_wrong_is_told_at_once() -> None:
    invalid = "argument-invalid"
    with fails_with(invalid, invalid, "sources-empty", invalid, invalid, invalid):
        requested_fault(0, (), "both", 50000, 1.5, "eth0; reboot")


@pytest.mark.parametrize(
    "source", ["api.example.com", "ALL", "DYNAMODB", "apne1-az1", "::1", "10.100.5.999", "10.100.5.1/16"]
)
def test_what_is_no_address_is_refused_with_why(source: str) -> None:
    with fails_with("source-not-an-address"):
        requested_fault(30, ("10.100.5.165", source), "ingress", 1800)


def test_every_address_there_is_is_refused_as_all_is() -> None:
    with fails_with("source-is-every-address"):
        requested_fault(30, ("10.100.5.165", "0.0.0.0/0"), "ingress", 1800)


@pytest.mark.parametrize(
    ("as_written", "read"),
    [
        (list(ADDRESSES), ADDRESSES),
        ([" 10.100.5.165 "], ADDRESSES[:1]),
        ([], ()),
        (["home"], ("home",)),
        (4711, ("4711",)),
        (None, ("None",)),
    ],
)
def test_sources_may_be_a_list(as_written: Any, read: Any) -> None:
    assert written(as_written) == read


def test_a_range_is_allowed() -> None:
    assert requested_fault(30, ("10.100.0.0/16",), "egress", 60).sources == ("10.100.0.0/16",)


def test_fis_must_not_end_before_the_document() -> None:
    with fails_with("fis-shorter-than-fault"):
        requested_fault(30, ADDRESSES, "ingress", 1800, 1799)


@pytest.mark.parametrize(
    ("duration_s", "fis_s"), [(1800, 1920), (1, 180), (60, 180), (61, 240), (43_150, 43_200), (43_200, 43_200)]
)
def test_fis_waits_longer_than_the_document_which_installs_its_tools_first(duration_s: int, fis_s: int) -> None:
    assert requested_fault(30, ADDRESSES, "ingress", duration_s).fis_duration_s == fis_s


@pytest.mark.parametrize("percent", [True, None, "thirty", 101, 0.5, float("nan")])
def test_percent_is_a_whole_number(percent: Any) -> None:
    with fails_with("argument-invalid"):
        requested_fault(percent, ADDRESSES, "ingress", 1800)


def test_durations_are_written_as_fis_does() -> None:
    assert [iso_duration(seconds) for seconds in (1800, 90, 43200)] == ["PT30M", "PT90S", "PT720M"]


def test_a_template_is_used_again_only_when_it_does_the_same() -> None:
    wanted = template(RUNBOOK, "exp-packetloss", DOCUMENT, HOST, ROLE)
    described = {**wanted, "id": "EXT1", "creationTime": "now", "targets": {}, "actions": {}}
    described["targets"] = {"Instances-Target-1": {**wanted["targets"]["Instances-Target-1"], "filters": []}}
    parameters = dict(wanted["actions"]["Run-Network-Packet-Loss"]["parameters"])
    parameters["documentParameters"] = json.dumps(
        json.loads(parameters["documentParameters"]), indent=2, sort_keys=True
    )
    described["actions"] = {
        "Run-Network-Packet-Loss": {**wanted["actions"]["Run-Network-Packet-Loss"], "parameters": parameters}
    }
    assert templates_equal(described, wanted), "how the parameters are written does not matter"
    other = template(PacketLossFault(50, ADDRESSES, "ingress", 1800, 1800), "exp-packetloss", DOCUMENT, HOST, ROLE)
    assert not templates_equal(described, other)
    assert not templates_equal({**described, "stopConditions": [{"source": "alarm", "value": "a"}]}, wanted)
    assert not templates_equal({**described, "roleArn": "another"}, wanted)


def test_options_and_filters_of_a_template_count_too() -> None:
    wanted = template(RUNBOOK, "exp-packetloss", DOCUMENT, HOST, ROLE)
    usual = {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"}
    assert templates_equal({**wanted, "experimentOptions": usual}, wanted), "what AWS says of one made without"
    for other in ({"emptyTargetResolutionMode": "skip"}, {"accountTargeting": "multi-account"}):
        assert not templates_equal({**wanted, "experimentOptions": {**usual, **other}}, wanted)
    target = wanted["targets"]["Instances-Target-1"]
    for other in ({"filters": [{"path": "State.Name", "values": ["running"]}]}, {"parameters": {"a": "b"}}):
        assert not templates_equal({**wanted, "targets": {"Instances-Target-1": {**target, **other}}}, wanted)


def test_the_role_may_send_this_document_to_this_host_and_nothing_more() -> None:
    statements = permissions(DOCUMENT, HOST)["Statement"]
    assert [(one["Action"], one["Resource"]) for one in statements if one["Resource"] != "*"] == [
        ("ssm:SendCommand", [DOCUMENT, HOST])
    ]
    assert {"ec2:DescribeInstances", "ec2:DescribeSubnets"} <= {
        action for one in statements if one["Resource"] == "*" for action in one["Action"]
    }


def test_sources_by_role_are_resolved_later() -> None:
    assert written("home") is None
    assert written("10.100.5.165, 10.100.9.84") == ADDRESSES
    assert written("") == ()
