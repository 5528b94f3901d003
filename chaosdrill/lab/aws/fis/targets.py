"""Resolution of an experiment's targets to resources."""

from collections.abc import Mapping, Sequence
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.ec2.models import ec2_backends

from chaosdrill.lab.aws.dynamodb import replica_regions
from chaosdrill.lab.aws.runtime import plan

INSTANCE = "aws:ec2:instance"
SUBNET = "aws:ec2:subnet"
GLOBAL_TABLE = "aws:dynamodb:global-table"


def resolve(region: str, target: Mapping[str, Any]) -> list[str]:
    """Return the ARNs of a target's existing resources, given by ARN or by tags.

    :param target: as in an experiment template.
    """
    found = {INSTANCE: _instances, SUBNET: _subnets, GLOBAL_TABLE: _global_tables}.get(str(target.get("resourceType")))
    named = target.get("resourceArns") or []
    wanted = target.get("resourceTags") or {}
    return [
        arn
        for arn, tags in (found(region) if found else {}).items()
        if arn in named or (wanted and all(tags.get(key) == value for key, value in wanted.items()))
    ]


def subnet_ranges(region: str, arns: Sequence[str]) -> list[str]:
    """Return the CIDR ranges of existing subnets."""
    subnets = _all_subnets(region)
    return [str(subnets[arn.rsplit("/", 1)[1]].cidr_block) for arn in arns]


def stream_of(region: str, table_arn: str) -> str:
    """Return the ARN of a table's stream."""
    table = dynamodb_backends[plan().account][region].tables[table_arn.rsplit("/", 1)[1]]
    return f"{table_arn}/stream/{table.latest_stream_label}"


def _instances(region: str) -> dict[str, dict[str, str]]:
    reservations = ec2_backends[plan().account][region].all_reservations()
    instances = [instance for reservation in reservations for instance in reservation.instances]
    return {f"{_arn(region)}:instance/{one.id}": _tags(one) for one in instances}


def _subnets(region: str) -> dict[str, dict[str, str]]:
    return {f"{_arn(region)}:subnet/{name}": _tags(one) for name, one in _all_subnets(region).items()}


def _global_tables(region: str) -> dict[str, dict[str, str]]:
    tables = dynamodb_backends[plan().account][region].tables
    return {
        str(one.table_arn): {tag["Key"]: tag["Value"] for tag in one.tags}
        for name, one in tables.items()
        if replica_regions(name, region)
    }


def _all_subnets(region: str) -> dict[str, Any]:
    return {one.id: one for one in ec2_backends[plan().account][region].describe_subnets()}


def _arn(region: str) -> str:
    return f"arn:aws:ec2:{region}:{plan().account}"


def _tags(resource: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}
