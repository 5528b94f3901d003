"""Action that closes or opens the application in a region."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import dynamodb, system_of
from chaosdrill.aws.overrides import with_flag_table
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import Refused
from chaosdrill.history import record

__all__ = ["set_stop_flag"]


@action
def set_stop_flag(
    region: str,
    value: bool,
    expected: Optional[bool] = None,
    table: Optional[str] = None,
    timeout_s: float = 120,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Set a region's stop flag, provided that it has the expected value and is not changed by someone else meanwhile.

    :param region: a region of the topology, or home, standby, active.
    :param value: true closes the application there, false opens it.
    :param expected: the value that the flag must have before; default: any.
    :param table: the DynamoDB table of the flag in that region; default: the topology's.
    :param timeout_s: how long to retry when DynamoDB does not respond, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, was, is}``; ``done`` is false when the flag already had the value.
    :raises ActivityFailed: when the flag cannot be read, is not as expected, or ``value`` is neither true nor false.
    :undo: set_stop_flag with the value that it had (``was``).
    :source: docs/drill.md, "Region state";
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
    """
    wanted = dynamodb.flag_values(value=str(value), expected=expected)
    value, expected = bool(wanted["value"]), wanted["expected"]
    system = system_of(configuration, secrets)
    region = region_named(system, region)
    system = with_flag_table(system, region, table)
    was = dynamodb.stop_flag(system, region)
    if expected is not None and was != expected:
        raise Refused(
            f"the stop flag of {region} is {dynamodb.flag_text(was)} and not {dynamodb.flag_text(expected)} as "
            "expected: "
            "nothing was changed",
            code="stop-flag-unexpected",
        )
    if was == value:
        return {
            "done": False,
            "region": region,
            "was": was,
            "is": was,
            "why": f"it is {dynamodb.flag_text(value)} already",
        }
    record(
        "undo", undo="set_stop_flag", arguments={"region": region, "value": was, **({"table": table} if table else {})}
    )
    dynamodb.write_stop_flag(system, region, value, expected=was)
    return {"done": True, "region": region, "was": was, "is": value}
