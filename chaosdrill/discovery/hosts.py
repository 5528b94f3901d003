"""Discovery of the client host: an instance with a name like a bastion's, managed by SSM."""

from functools import partial
from typing import Any

from chaosdrill.aws.ec2 import in_reservations
from chaosdrill.client.host.inspection import install_command
from chaosdrill.client.host.pythons import LEAST_PYTHON
from chaosdrill.discovery.findings import Candidate, ToFillIn, TopologyFinding, or_unknown
from chaosdrill.discovery.scope import DiscoveryScope

_NAMES = ["*bastion*", "*Bastion*", "*BASTION*"]  # EC2's filters are case-sensitive
_STATES = ["pending", "running", "stopping", "stopped"]
_MOST_SHOWN = 20
AL2023 = "Amazon Linux 2023"


def find_client(asked: DiscoveryScope) -> TopologyFinding:
    """Find the bastion in the home region, else in the standby region."""
    found: dict[str, Any] = {}
    for region in asked.regions:
        how = f"aws ssm describe-instance-information --region {region}{asked.cli}"
        found[region] = or_unknown(partial(_instance, asked, region, how), how)
        if isinstance(found[region], str):
            value = {"instance_id": found[region], "region": region}
            return TopologyFinding(
                value, f"instances of {', '.join(found)}", _python_note(asked, found[region], region)
            )
    first = next((r for r in asked.regions if found[r].candidates), asked.home)
    regions = tuple(Candidate(region) for region in asked.regions)
    unknown = ToFillIn("the client host was not found", "the region of the instance", regions)
    return TopologyFinding({"instance_id": found[first], "region": unknown}, f"instances of {', '.join(found)}")


def _instance(asked: DiscoveryScope, region: str, how: str) -> str | ToFillIn:
    named = _named(asked, region)
    managed = _managed(asked, region)
    fitting = [name for name in named if managed.get(name) == "Online"]
    if len(fitting) == 1:
        return fitting[0]
    if named:
        why = f"{len(named)} instances of {region} are named like a bastion, {len(fitting)} of them online in SSM"
        labels = {name: f"{label}, {named_state(managed.get(name))}" for name, label in named.items()}
    else:
        why = f"no instance of {region} has a tag Name that contains bastion"
        labels = {name: f"SSM: {state}" for name, state in list(managed.items())[:_MOST_SHOWN]}
    return ToFillIn(why, how, tuple(Candidate(name, label) for name, label in labels.items()))


def _python_note(asked: DiscoveryScope, instance_id: str, region: str) -> str:
    """Return what to install before a drill can run programs on the host; empty when its Python may be new enough.

    :source: https://docs.aws.amazon.com/linux/al2023/ug/python.html
    """
    filters = [{"Key": "InstanceIds", "Values": [instance_id]}]
    answer = asked.account.ask("ssm", region, "describe_instance_information", Filters=filters)
    system = [f"{one.get('PlatformName')} {one.get('PlatformVersion')}" for one in answer["InstanceInformationList"]]
    if system != [AL2023]:
        return ""
    version = ".".join(map(str, LEAST_PYTHON))
    command = install_command(instance_id, region, f"python{version}")
    return f"{AL2023} has Python 3.9, and what the drill brings there (`run: ssm`) needs {version}:\n{command}"


def named_state(agent: str | None) -> str:
    """Return the state of an SSM agent in words."""
    return f"SSM: {agent}" if agent else "SSM does not know it: its agent or its instance profile is missing"


def _named(asked: DiscoveryScope, region: str) -> dict[str, str]:
    filters = [{"Name": "tag:Name", "Values": _NAMES}, {"Name": "instance-state-name", "Values": _STATES}]
    listed = asked.account.listed("ec2", region, "describe_instances", "Reservations", Filters=filters)
    instances = in_reservations([{"Reservations": listed.items}])
    return {str(one["InstanceId"]): f"{_name(one)}, {one['State']['Name']}" for one in instances}


def _name(instance: dict[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in instance.get("Tags", []) if tag["Key"] == "Name"), "")


def _managed(asked: DiscoveryScope, region: str) -> dict[str, str]:
    listed = asked.account.listed("ssm", region, "describe_instance_information", "InstanceInformationList")
    return {str(one["InstanceId"]): str(one["PingStatus"]) for one in listed.items}
