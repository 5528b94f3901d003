"""EC2 instances, taken out of the reservations in which EC2 describes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from chaosdrill.aws.system import System


def instances(system: System, region: str, instance_id: str) -> list[dict[str, Any]]:
    """:returns: the instance as EC2 describes it, alone in a list; EC2 refuses an id that it does not know."""
    return in_reservations([system.client("ec2", region).describe_instances(InstanceIds=[instance_id])])


def in_reservations(pages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """:returns: the instances of all reservations of these pages of DescribeInstances."""
    reservations = [reservation for page in pages for reservation in page.get("Reservations", [])]
    return [instance for reservation in reservations for instance in reservation.get("Instances", [])]
