"""Which resources an experiment's target names."""

from collections.abc import Mapping
from typing import Any

from moto.ec2.models import ec2_backends

from chaosdrill.lab.aws.runtime import plan

INSTANCE = "aws:ec2:instance"


def resolve(region: str, target: Mapping[str, Any]) -> list[str]:
    """The ARNs of a target's resources that exist, given by ARN or by tags.

    :param target: as in an experiment template.
    """
    if target.get("resourceType") != INSTANCE:
        return []
    backend = ec2_backends[plan().account][region]
    named = target.get("resourceArns") or []
    tags = target.get("resourceTags") or {}
    found = []
    for reservation in backend.all_reservations():
        for instance in reservation.instances:
            arn = f"arn:aws:ec2:{region}:{plan().account}:instance/{instance.id}"
            has = {tag["key"]: tag["value"] for tag in instance.get_tags()}
            if arn in named or (tags and all(has.get(key) == value for key, value in tags.items())):
                found.append(arn)
    return found
