"""Probe of the number of running tasks of a service."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import system_of
from chaosdrill.aws.regions import region_named
from chaosdrill.service.ecs import Service, counts

__all__ = ["running_count"]


@probe
def running_count(
    cluster: str,
    service: str,
    region: str = "home",
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Return how many tasks of an ECS service run now.

    :param cluster: the ECS cluster's name or ARN.
    :param service: the ECS service's name.
    :param region: a region of the topology, or home, standby, active.
    :returns: their number.
    :raises ActivityFailed: when there is no such service, or ECS does not respond.
    :source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
    """
    system = system_of(configuration, secrets)
    return counts(system, Service(region_named(system, region), cluster, service)).running
