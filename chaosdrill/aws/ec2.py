"""EC2 instances, extracted from the reservations in which EC2 describes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from chaosdrill.aws.system import System


def instances(system: System, region: str, instance_id: str) -> list[dict[str, Any]]:
    """Return EC2's description of an instance, alone in a list. EC2 refuses an id that does not exist."""
    return in_reservations([system.client("ec2", region).describe_instances(InstanceIds=[instance_id])])


def in_reservations(pages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the instances of all reservations in these pages of DescribeInstances."""
    reservations = [reservation for page in pages for reservation in page.get("Reservations", [])]
    return [instance for reservation in reservations for instance in reservation.get("Instances", [])]
