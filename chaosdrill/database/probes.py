"""The global database as it stands."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import aurora, system_of

__all__ = ["database_status", "writer_region"]


@probe
def writer_region(configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> str:
    """The region that writes to the global database.

    :returns: its name; ``none`` or ``several`` when it is not one.
    :raises ActivityFailed: when neither region tells.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_GlobalClusterMember.html
    """
    return aurora.global_cluster(system_of(configuration, secrets)).writer


@probe
def database_status(configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> str:
    """What the global database does.

    :returns: ``available``, or what goes on, such as ``switching-over``.
    :raises ActivityFailed: when neither region tells.
    :source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverState.html
    """
    return aurora.global_cluster(system_of(configuration, secrets)).status
