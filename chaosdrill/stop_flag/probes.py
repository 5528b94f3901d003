"""Probe of the stop flag: whether the application is closed in a region."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import dynamodb, system_of
from chaosdrill.aws.overrides import with_flag_table
from chaosdrill.aws.polling import poll_until
from chaosdrill.aws.regions import region_named

__all__ = ["stop_flag"]


@probe
def stop_flag(
    region: str,
    table: Optional[str] = None,
    within_s: Optional[float] = None,
    expected: Optional[bool] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> bool:
    """Return the stop flag of a region, from a strongly consistent read.

    :param region: a region of the topology, or home, standby, active (the one whose flag is FALSE).
    :param table: the DynamoDB table of the flag in that region; default: the topology's.
    :param within_s: wait up to so many seconds for ``expected``; default: read once.
    :param expected: the value to wait for; default: any.
    :returns: true when the application is closed there, false when it is open, by the last read.
    :raises ActivityFailed: when it cannot be read, or ``active`` matches no region or both.
    :source: docs/drill.md, "Region state"
    """
    wanted = dynamodb.flag_values(expected=expected)["expected"]
    system = system_of(configuration, secrets)
    name = region_named(system, region)
    system = with_flag_table(system, name, table)
    return poll_until(
        lambda: dynamodb.stop_flag(system, name), lambda seen: wanted in (None, seen), float(within_s or 0)
    )
