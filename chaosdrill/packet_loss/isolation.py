"""A region's subnets, and the FIS experiment template that cuts them off from all other addresses."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill.aws import System, ec2, elb, fis
from chaosdrill.errors import BadInput, Refused, problem
from chaosdrill.packet_loss.plan import LONGEST_S, iso_duration

SHORTEST_S = 60  # FIS's minimum
ARNS_OF_A_TARGET = 5  # FIS's quota of resources that a target names


def refuse_arguments(duration_s: Any, subnets: Any) -> None:
    """Check the arguments of an isolation.

    :raises BadInput: with every problem.
    """
    problems = []
    try:
        right = not isinstance(duration_s, bool) and SHORTEST_S <= float(duration_s) <= LONGEST_S
        right = right and float(duration_s) == int(duration_s)
    except (TypeError, ValueError):
        right = False
    if not right:
        why = f"duration_s is {duration_s!r}: write a whole number from {SHORTEST_S} to {LONGEST_S} s"
        problems.append(problem("argument-invalid", why))
    if subnets is not None and (not isinstance(subnets, list) or not subnets):
        why = f"subnets is {subnets!r}: write a list of subnet ids, or leave it out"
        problems.append(problem("argument-invalid", why))
    if problems:
        raise BadInput(problems)


def subnets_of(system: System, region: str, named: Sequence[str] | None) -> list[str]:
    """Return the ARNs of the named subnets, or of all in the VPC of the region's load balancer, sorted.

    :raises BadInput: when one does not exist, or none can be found.
    :raises Refused: when the client host is in one of them: then its clients and its SSM agent would be cut off, too.
    """
    client = system.client("ec2", region)
    if named:
        asked: dict[str, Any] = {"SubnetIds": list(named)}
    else:
        asked = {"Filters": [{"Name": "vpc-id", "Values": [application_vpc(system, region)]}]}
    try:
        pages = client.get_paginator("describe_subnets").paginate(**asked)
        found = {str(one["SubnetId"]): str(one["SubnetArn"]) for page in pages for one in page.get("Subnets", [])}
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidSubnetID"):
            raise
        raise BadInput(
            [problem("subnet-missing", f"subnets: {error.response['Error']['Message']} in {region}: correct them")]
        ) from error
    _refuse_clients_own(system, region, found)
    return sorted(found.values())


def application_vpc(system: System, region: str) -> str:
    arn = system.topology.load_balancers[region].arn
    if arn is None:
        raise BadInput(
            [
                problem(
                    "load-balancer-missing",
                    f"the topology has no load balancer ARN for {region}, whose VPC is to be cut off: add it, or write "
                    "`subnets`",
                )
            ]
        )
    return elb.vpc_of(system, region, arn)


def _refuse_clients_own(system: System, region: str, subnets: dict[str, str]) -> None:
    client = system.topology.client
    if client.region != region:
        return
    own = [str(one.get("SubnetId")) for one in ec2.instances(system, region, client.instance_id)]
    if cut := [subnet for subnet in own if subnet in subnets]:
        raise Refused(
            f"the client host {client.instance_id} is in {cut[0]}, which would be cut off, and with it the clients and "
            "the SSM agent: nothing was started; name the other subnets with `subnets`",
            code="client-host-in-subnet",
        )


def refuse_cut_off(system: System, region: str, arns: Sequence[str]) -> None:
    """Refuse to isolate a subnet twice: each experiment restores the network ACL that it found.

    :raises Refused: when an experiment cuts a subnet off already.
    """
    if found := fis.with_fault_on(system, region, arns):
        shown = ", ".join(f"{one.id} ({one.state})" for one in found)
        raise Refused(
            f"the region was not cut off: subnets of {region} are cut off already by {shown}, and two cannot run side "
            "by side: stop it (heal_packet_loss stops this run's), or wait for its end",
            code="fault-in-force",
        )


def template(arns: Sequence[str], duration_s: int, name: str, role_arn: str) -> dict[str, Any]:
    """Return the arguments of CreateExperimentTemplate.

    :param arns: of the subnets.
    """
    parts = [list(arns[at : at + ARNS_OF_A_TARGET]) for at in range(0, len(arns), ARNS_OF_A_TARGET)]
    numbered = list(enumerate(parts, start=1))
    return {
        "description": f"{len(arns)} subnets are cut off from everybody",
        "actions": {
            f"Cut-Off-{number}": {
                "actionId": fis.ISOLATION,
                "parameters": {"scope": "all", "duration": iso_duration(duration_s)},
                "targets": {"Subnets": f"Subnets-Target-{number}"},
            }
            for number, _ in numbered
        },
        "targets": {
            f"Subnets-Target-{number}": {"resourceType": "aws:ec2:subnet", "resourceArns": part, "selectionMode": "ALL"}
            for number, part in numbered
        },
        "stopConditions": [{"source": "none"}],
        "roleArn": role_arn,
        "tags": {"Name": name, **fis.CREATED_BY_US},
    }
