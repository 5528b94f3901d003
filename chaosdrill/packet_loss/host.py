"""The host that loses packets, and why a fault may not be started on it."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from chaosdrill.aws import System, fis, ssm
from chaosdrill.errors import Refused


@dataclass(frozen=True)
class Host:
    """An EC2 instance of the client's region, and the fault's document as that region has it."""

    instance_id: str
    region: str
    arn: str
    document_arn: str


def host_of(system: System, instance_id: str | None, document: str) -> Host:
    """:returns: the host, and the document's ARN there.

    :param instance_id: default: the topology's client host.
    :param document: the document's name.
    """
    region = system.topology.client.region
    instance_id = instance_id or system.topology.client.instance_id
    partition = next(iter(system.topology.routing.controls.values())).split(":")[1]
    return Host(
        instance_id,
        region,
        f"arn:{partition}:ec2:{region}:{system.account()}:instance/{instance_id}",
        f"arn:{partition}:ssm:{region}::document/{document}",
    )


def refuse_traps(system: System, host: Host) -> None:
    """Look for what would make FIS skip the fault or leave it behind.

    :raises Refused: with everything found; nothing was started.
    """
    found = [*_not_running(system, host), *_no_agent(system, host), *_other_fault(system, host)]
    if found:
        raise Refused("the fault was not injected: " + "; ".join(found))


def _not_running(system: System, host: Host) -> list[str]:
    try:
        answer = system.client("ec2", host.region).describe_instances(InstanceIds=[host.instance_id])
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidInstanceID"):
            raise
        answer = {"Reservations": []}
    states = [one["State"]["Name"] for held in answer["Reservations"] for one in held["Instances"]]
    if states == ["running"]:
        return []
    seen = f"is {states[0]}" if states else f"does not exist in {host.region}"
    return [
        f"its target {host.instance_id} {seen}, and FIS would skip it: correct `client:` in the topology, or start it"
    ]


def _no_agent(system: System, host: Host) -> list[str]:
    status = ssm.agent_status(system, host.instance_id, host.region)
    if status == "Online":
        return []
    return [f"the SSM agent of {host.instance_id} is {status}: start it (and give the instance its SSM role)"]


def _other_fault(system: System, host: Host) -> list[str]:
    return [
        f"experiment {other.id} ({other.state}) has a fault on {host.instance_id} already, and the documents cannot "
        "run side by side: stop it, or wait for its end"
        for other in fis.on_host(system, host.arn)
    ]
