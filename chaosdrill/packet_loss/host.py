"""The host that loses packets, and reasons why no fault may be started on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill.aws import System, ec2, fis, ssm
from chaosdrill.aws.overrides import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.errors import Refused, problem

_NOT_GONE = ["pending", "running", "stopping", "stopped", "shutting-down"]


@dataclass(frozen=True)
class Host:
    """An EC2 instance, and the ARN of the fault's document in its region."""

    instance_id: str
    region: str
    arn: str
    document_arn: str


def problems_of_host(instance_id: Any, instance_tags: Any) -> list[str]:
    """Return the problems of the host arguments as they were written."""
    if instance_tags is None:
        return []
    if not isinstance(instance_tags, Mapping) or not instance_tags:
        why = f"instance_tags is {instance_tags!r}: write a mapping such as {{Name: BastionHost}}"
        return [problem("argument-invalid", why)]
    both = problem("argument-invalid", "instance_id and instance_tags: write one of them")
    return [both] if instance_id else []


def at_host(
    system: System, instance_id: str | None, instance_tags: Mapping[str, str] | None, region: str | None
) -> System:
    """Return the system with the named client host; values that are not named are the topology's.

    :param instance_tags: tags that exactly one instance has.
    :param region: where it is, by name or role; the client host's need not be one of the two.
    :raises BadInput: when there is no such region.
    :raises Refused: when no instance has the tags, or several have.
    """
    system = with_client_host(system, instance_id, client_region(system, region))
    if instance_tags is None:
        return system
    return with_client_host(system, _tagged(system, instance_tags))


def _tagged(system: System, tags: Mapping[str, str]) -> str:
    region = system.topology.client.region
    filters = [{"Name": f"tag:{key}", "Values": [str(value)]} for key, value in tags.items()]
    filters.append({"Name": "instance-state-name", "Values": _NOT_GONE})
    pages = system.client("ec2", region).get_paginator("describe_instances").paginate(Filters=filters)
    found = sorted(str(one["InstanceId"]) for one in ec2.in_reservations(pages))
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"{key}={value}" for key, value in tags.items())
    if not found:
        raise Refused(
            f"the fault was not injected: no instance in {region} has the tags {shown}, so the experiment would fail: "
            "correct `instance_tags`, or name the `instance_id`",
            code="fault-target-missing",
        )
    raise Refused(
        f"the fault was not injected: {len(found)} instances in {region} have the tags {shown}: {', '.join(found)}: "
        "the effect is judged on one host, so add a tag that only it has, or name its `instance_id`",
        code="fault-target-ambiguous",
    )


def host_of(system: System, document: str) -> Host:
    """Return the system's client host, with the document's ARN there.

    :param document: the document's name.
    """
    client = system.topology.client
    partition = next(iter(system.topology.routing.controls.values())).split(":")[1]
    return Host(
        client.instance_id,
        client.region,
        f"arn:{partition}:ec2:{client.region}:{system.account()}:instance/{client.instance_id}",
        f"arn:{partition}:ssm:{client.region}::document/{document}",
    )


def refuse_traps(system: System, host: Host, further: list[str]) -> None:
    """Refuse a fault that FIS would fail, or leave behind.

    :param further: problems that were found before.
    :raises Refused: with every problem; nothing was started.
    """
    found = [
        *engaged_lever(system, host.region),
        *not_running(system, host),
        *agent_offline(system, host),
        *other_fault(system, host),
        *further,
    ]
    if found:
        raise Refused("the fault was not injected: " + "; ".join(found), problems=found)


def engaged_lever(system: System, region: str) -> list[str]:
    """Return a problem if the safety lever of a region stops every experiment; none when it does not, or may not be
    read: FIS itself then cancels the experiment, with its reason.
    """
    try:
        state, reason = fis.safety_lever(system, region)
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return []
    if state == "disengaged":
        return []
    why = (
        f"the FIS safety lever of {region} is {state} ({reason or 'no reason given'}), so no experiment may run there: "
        "ask who engaged it; `aws fis update-safety-lever-state` disengages it"
    )
    return [problem("safety-lever-engaged", why)]


def not_running(system: System, host: Host) -> list[str]:
    """List why the host cannot be a target: it does not exist, or does not run."""
    try:
        found = ec2.instances(system, host.region, host.instance_id)
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidInstanceID"):
            raise
        found = []
    states = [one["State"]["Name"] for one in found]
    if states == ["running"]:
        return []
    seen = f"is {states[0]}" if states else f"does not exist in {host.region}"
    why = (
        f"its target {host.instance_id} {seen}, so the experiment would fail: correct `client:` in the topology, or "
        "start it"
    )
    return [problem("fault-target-not-running", why)]


def agent_offline(system: System, host: Host) -> list[str]:
    """List why the host accepts no command: its SSM agent is not online."""
    status = ssm.agent_status(system, host.instance_id, host.region)
    if status == "Online":
        return []
    why = f"the SSM agent of {host.instance_id} is {status}: start it (and give the instance its SSM role)"
    return [problem("ssm-agent-offline", why)]


def other_fault(system: System, host: Host) -> list[str]:
    """List the experiments that have a fault on the host already."""
    return [
        problem(
            "fault-in-force",
            f"experiment {other.id} ({other.state}) has a fault on {host.instance_id} already, and the documents "
            "cannot run side by side: stop it, or wait for its end",
        )
        for other in fis.with_fault_on(system, host.region, [host.arn])
    ]
