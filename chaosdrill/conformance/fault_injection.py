"""Assumptions on FIS: its safety levers, and the SSM document of the packet loss."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System, fis
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.packet_loss.plan import DOCUMENT

PARAMETERS = frozenset(
    {
        "DurationSeconds",
        "FlowsPercent",
        "InstallDependencies",
        "Interface",
        "LossPercent",
        "Sources",
        "TrafficType",
    }
)
"""The document's parameters that chaosdrill can send."""


def assumptions(system: System) -> Iterator[Assumption]:
    """Yield the assumptions on FIS."""
    client = system.topology.client
    for region in dict.fromkeys((*system.topology.region_names, client.region)):
        yield Assumption(
            f"FIS safety lever of {region}",
            "disengaged",
            partial(_lever, system, region),
            "ask who engaged it; if it could not be read, allow fis:GetSafetyLever",
        )
    advice = (
        "run it again with --export, and send the file to chaosdrill's maintainers; if it could not be read, allow "
        "ssm:DescribeDocument and ssm:GetDocument"
    )
    yield Assumption(
        f"parameters of {DOCUMENT}", f"has {', '.join(sorted(PARAMETERS))}", partial(_parameters, system), advice
    )
    yield Assumption(
        f"how {DOCUMENT} loses packets",
        "with netem, which `tc qdisc show` lists, after installing what it needs",
        partial(_content, system),
        advice,
    )


def _lever(system: System, region: str) -> Observed:
    state, reason = fis.safety_lever(system, region)
    return Observed(f"{state} ({reason})" if reason else state, state == "disengaged")


def _parameters(system: System) -> Observed:
    ssm = system.client("ssm", system.topology.client.region)
    described = ssm.describe_document(Name=DOCUMENT)["Document"]
    found = {str(one["Name"]) for one in described.get("Parameters", ())}
    missing = PARAMETERS - found
    return Observed(f"lacks {', '.join(sorted(missing))}" if missing else ", ".join(sorted(found)), not missing)


def _content(system: System) -> Observed:
    ssm = system.client("ssm", system.topology.client.region)
    content = str(ssm.get_document(Name=DOCUMENT)["Content"])
    found = [word for word in ("netem", "InstallDependencies") if word in content]
    return Observed(
        f"the document ({len(content)} characters) mentions {' and '.join(found) or 'neither'}", len(found) == 2
    )
