"""Whether the application is closed in a region."""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import dynamodb, system_of
from chaosdrill.aws.explicit import with_flag_table
from chaosdrill.aws.polling import seen_within
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
    """The stop flag of a region, read strongly consistent.

    :param region: a region of the topology, or home, standby, active (the one whose flag is FALSE).
    :param table: the DynamoDB table of the flag in that region; default: the topology's.
    :param within_s: wait up to so many seconds for ``expected``; default: look once.
    :param expected: the value to wait for; default: any.
    :returns: true when the application is closed there, false when it is open, as seen last.
    :raises ActivityFailed: when it cannot be read, or ``active`` fits none or both regions.
    :source: the reference system's runbook: the flag that closes the application
    """
    wanted = dynamodb.flag_values(expected=expected)["expected"]
    system = system_of(configuration, secrets)
    name = region_named(system, region)
    system = with_flag_table(system, name, table)
    return seen_within(
        lambda: dynamodb.stop_flag(system, name), lambda seen: wanted in (None, seen), float(within_s or 0)
    )
