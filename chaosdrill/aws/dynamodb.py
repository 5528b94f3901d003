"""The stop flag's item in DynamoDB."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.ambiguous_result import change
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, CannotSee, DrillError, problem

_WORDS = {"true": True, "false": False}


def stop_flag(system: System, region: str) -> bool:
    """Read a region's stop flag with a strongly consistent read.

    :returns: True when the application is closed there.
    :raises CannotSee: when the table, the item or a valid value is missing, or AWS does not respond.
    """
    flag = system.topology.stop_flag
    table = flag.tables[region]
    key = _key(system)

    def get() -> Any:
        return system.client("dynamodb", region).get_item(TableName=table, Key=key, ConsistentRead=True)

    try:
        answer = paced((system.reach, "stop flag", region, table, *flag.key.items()), get).value
    except (ClientError, BotoCoreError) as error:
        why = f"the stop flag of {region} could not be read from table {table}: {error}"
        raise CannotSee(why, code="stop-flag-unreadable") from error
    if "Item" not in answer:
        why = f"table {table} in {region} has no item {dict(flag.key)}: correct `stop_flag:` in the topology"
        raise CannotSee(why, code="stop-flag-missing")
    what = f"{flag.attribute!r} of {dict(flag.key)} in table {table} ({region})"
    return _value(answer["Item"].get(flag.attribute), what)


def write_stop_flag(system: System, region: str, value: bool, expected: bool) -> None:
    """Write a region's stop flag if it still has the expected value. A flag that already has the new value is a
    success, too: the response to an earlier attempt may have been lost.

    :raises DrillError: when it has neither value because someone else changed it, or AWS failed; the message says
        which.
    """
    client = system.client("dynamodb", region)

    def ask() -> None:
        try:
            client.update_item(**stop_flag_update(system, region, value, expected))
        except client.exceptions.ConditionalCheckFailedException as error:
            raise DrillError(
                f"the stop flag of {region} was not set to {flag_text(value)}: it is no longer "
                f"{flag_text(expected)}, so "
                "someone else changed it: read it with the probe stop_flag, then try again",
                code="stop-flag-changed",
            ) from error

    change(f"stop flag {flag_text(value)} in {region}", ask, lambda: stop_flag(system, region) == value)


def stop_flag_update(system: System, region: str, value: bool, expected: bool) -> dict[str, Any]:
    """Return the parameters of the UpdateItem that writes a region's stop flag."""
    flag = system.topology.stop_flag
    return {
        "TableName": flag.tables[region],
        "Key": _key(system),
        "UpdateExpression": "SET #flag = :new",
        "ConditionExpression": "#flag = :expected",
        "ExpressionAttributeNames": {"#flag": flag.attribute},
        "ExpressionAttributeValues": {":new": _text(value), ":expected": _text(expected)},
    }


def flag_values(**written: Any) -> dict[str, bool | None]:
    """Parse values of stop flags, which are texts when they come from ``--var`` or the environment.

    :param written: by argument name; None stays None.
    :returns: true (closed), false (open) or None by argument name.
    :raises BadInput: with every value that is neither true nor false.
    """
    words = {name: str(value).lower() for name, value in written.items() if value is not None}
    problems = [
        problem("argument-invalid", f"{name} is {written[name]!r}: write true (closed) or false (open)")
        for name, word in words.items()
        if word not in _WORDS
    ]
    if problems:
        raise BadInput(problems)
    return {name: _WORDS[words[name]] if name in words else None for name in written}


def flag_text(value: bool) -> str:
    """Return TRUE or FALSE, as the runbook writes it."""
    return "TRUE" if value else "FALSE"


def _key(system: System) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in system.topology.stop_flag.key.items()}


def _text(value: bool) -> dict[str, str]:
    return {"S": "true" if value else "false"}


def _value(attribute: dict[str, Any] | None, what: str) -> bool:
    text = (attribute or {}).get("S")
    if text not in _WORDS:
        why = f"{what} is {attribute!r}, neither 'true' nor 'false': correct the item or the topology"
        raise CannotSee(why, code="stop-flag-invalid")
    return _WORDS[text]
