"""Whether the application is closed in a region."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import dynamodb, system_of
from chaosdrill.aws.regions import region_named

__all__ = ["stop_flag"]


@probe
def stop_flag(region: str, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> bool:
    """The stop flag of a region, read strongly consistent.

    :param region: a region of the topology, or home, standby, active (the one whose flag is FALSE).
    :returns: true when the application is closed there, false when it is open.
    :raises ActivityFailed: when it cannot be read, or ``active`` fits none or both regions.
    :source: the reference system's runbook: the flag that closes the application
    """
    system = system_of(configuration, secrets)
    return dynamodb.stop_flag(system, region_named(system, region))
