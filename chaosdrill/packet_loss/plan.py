"""The requested fault, checked as a whole, and the FIS experiment template that injects it. Pure."""

import ipaddress
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws.fis import CREATED_BY_US
from chaosdrill.errors import BadInput, problem

DOCUMENT = "AWSFIS-Run-Network-Packet-Loss-Sources"
ACTION = "Run-Network-Packet-Loss"
TARGET = "Instances-Target-1"
LONGEST_S = 43200
# https://docs.aws.amazon.com/fis/latest/APIReference/API_CreateExperimentTemplateExperimentOptionsInput.html
DEFAULT_OPTIONS = {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"}
SETUP_S = 120  # time that the document may need on AWS to install its tools before packets are lost


@dataclass(frozen=True)
class PacketLossFault:
    """One packet-loss fault.

    :param percent: of the packets, whole, 1 to 100.
    :param sources: IPv4 addresses or CIDR ranges of the other side.
    :param duration_s: how long the document keeps it in force, in seconds.
    :param fis_duration_s: how long FIS waits for it, in seconds; never shorter. The document begins with the
        installation of its tools, so FIS must wait longer, or it reports the experiment as completed while packets are
        still lost.
    :param flows_percent: of the connections, whole, 1 to 100; the others lose nothing.
    """

    percent: int
    sources: tuple[str, ...]
    traffic_type: str
    duration_s: int
    fis_duration_s: int
    interface: str = "DEFAULT"
    flows_percent: int = 100


def requested_fault(
    percent: Any,
    sources: tuple[str, ...] | None,
    traffic_type: str,
    duration_s: Any,
    fis_duration_s: Any = None,
    interface: str = "DEFAULT",
    flows_percent: Any = 100,
    further_problems: Sequence[str] = (),
) -> PacketLossFault:
    """Check the requested values, and make a fault of them.

    :param sources: None when they are to be resolved later.
    :param further_problems: other problems, to be reported at the same time.
    :raises BadInput: with every problem.
    """
    problems = [
        *_number("percent", percent, 1, 100, "%"),
        *_number("duration_s", duration_s, 1, LONGEST_S, "s"),
        *_number("flows_percent", flows_percent, 1, 100, "%"),
        *(() if sources is None else _sources(sources)),
    ]
    if fis_duration_s is not None:
        problems += _number("fis_duration_s", fis_duration_s, 1, LONGEST_S, "s")
    if traffic_type not in ("ingress", "egress"):
        problems.append(problem("argument-invalid", f"traffic_type is {traffic_type!r}: write ingress or egress"))
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,15}", str(interface)):
        why = f"interface is {interface!r}: write DEFAULT or the name of a network interface"
        problems.append(problem("argument-invalid", why))
    if not problems and fis_duration_s is not None and int(fis_duration_s) < int(duration_s):
        why = (
            f"fis_duration_s is {fis_duration_s} s, shorter than duration_s, {duration_s} s: FIS would say completed "
            "while packets are still lost; leave it out, or make it at least as long"
        )
        problems.append(problem("fis-shorter-than-fault", why))
    if problems or further_problems:
        raise BadInput([*problems, *further_problems])
    whole = int(fis_duration_s) if fis_duration_s is not None else _with_setup(int(duration_s))
    flows = int(flows_percent)
    return PacketLossFault(int(percent), sources or (), traffic_type, int(duration_s), whole, interface, flows)


def _with_setup(duration_s: int) -> int:
    """Add the time of the installation, in whole minutes; at most what FIS allows."""
    return min(math.ceil((duration_s + SETUP_S) / 60) * 60, LONGEST_S)


def _number(name: str, value: Any, least: int, most: int, unit: str) -> Iterator[str]:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (least <= number <= most and number == int(number)):
        yield problem("argument-invalid", f"{name} is {value!r}: write a whole number from {least} to {most} {unit}")


def _sources(sources: tuple[str, ...]) -> Iterator[str]:
    if not sources:
        yield problem("sources-empty", "sources is empty: write home, or IPv4 addresses with commas between them")
    for source in sources:
        try:
            everybody = ipaddress.IPv4Network(source).prefixlen == 0
        except ValueError:
            yield problem(
                "source-not-an-address",
                f"sources: {source!r} is no IPv4 address or range: the fault would pin a name in /etc/hosts of the "
                "client host, which then could not follow a DNS failover, and words such as ALL would cut off the SSM "
                "agent, too; write home, or addresses",
            )
        else:
            if everybody:
                yield problem(
                    "source-is-every-address",
                    f"sources: {source!r} is every address: the fault would cut off the SSM agent, too, which ends it; "
                    "write home, or the addresses that are meant",
                )


def iso_duration(seconds: int) -> str:
    """Return an ISO 8601 duration as FIS writes it: PT30M for 1800, PT90S for 90."""
    return f"PT{seconds // 60}M" if seconds % 60 == 0 else f"PT{seconds}S"


def document_parameters(fault: PacketLossFault) -> dict[str, str]:
    """Return the document's parameters.

    :source: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
    """
    unusual = {}
    if fault.interface != "DEFAULT":
        unusual["Interface"] = fault.interface
    if fault.flows_percent != 100:
        unusual["FlowsPercent"] = str(fault.flows_percent)
    return {
        "LossPercent": str(fault.percent),
        "Sources": ",".join(fault.sources),
        "TrafficType": fault.traffic_type,
        "DurationSeconds": str(fault.duration_s),
        "InstallDependencies": "True",
        **unusual,
    }


def template(
    fault: PacketLossFault, name: str, document_arn: str, host_arn: str, role_arn: str, alarms: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the arguments of CreateExperimentTemplate.

    :param alarms: ARNs of the CloudWatch alarms that stop the fault.
    """
    stops = [{"source": "aws:cloudwatch:alarm", "value": arn} for arn in alarms]
    return {
        "description": f"{fault.percent} % {fault.traffic_type} packet loss on the client host",
        "actions": {
            ACTION: {
                "actionId": "aws:ssm:send-command",
                "parameters": {
                    "documentArn": document_arn,
                    # no spaces: FIS's pattern of an action's parameter is [\S]+
                    "documentParameters": json.dumps(document_parameters(fault), separators=(",", ":")),
                    "duration": iso_duration(fault.fis_duration_s),
                },
                "targets": {"Instances": TARGET},
            }
        },
        "targets": {TARGET: {"resourceType": "aws:ec2:instance", "resourceArns": [host_arn], "selectionMode": "ALL"}},
        "stopConditions": stops or [{"source": "none"}],
        "roleArn": role_arn,
        "tags": {"Name": name, **CREATED_BY_US},
    }


def templates_equal(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a template that FIS describes equals ``wanted``, field by field.

    :source: https://docs.aws.amazon.com/fis/latest/APIReference/API_ExperimentTemplate.html
    """
    return bool(_content(existing) == _content(wanted))


def _content(raw: Mapping[str, Any]) -> Any:
    actions = {}
    for name, action in (raw.get("actions") or {}).items():
        parameters = dict(action.get("parameters") or {})
        parameters["documentParameters"] = _document(parameters.get("documentParameters") or "{}")
        actions[name] = (
            action["actionId"],
            parameters,
            dict(action.get("targets") or {}),
            action.get("startAfter") or [],
        )
    targets = {
        name: (
            one["resourceType"],
            one.get("resourceArns") or [],
            one.get("resourceTags") or {},
            one.get("filters") or [],
            one.get("parameters") or {},
            one["selectionMode"],
        )
        for name, one in (raw.get("targets") or {}).items()
    }
    options = {**DEFAULT_OPTIONS, **(raw.get("experimentOptions") or {})}
    stops = sorted((stop["source"], stop.get("value") or "") for stop in raw.get("stopConditions") or [])
    return actions, targets, stops, options, raw["roleArn"], (raw.get("tags") or {}).get("Name")


def _document(parameters: str) -> Any:
    """Parse a document's parameters, so that formatting does not matter; a text that is no JSON stays as it is."""
    try:
        return json.loads(parameters)
    except ValueError:
        return parameters
