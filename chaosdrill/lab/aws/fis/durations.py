"""ISO 8601 durations in FIS's form."""

import re

from chaosdrill.lab.aws.errors import AwsError

PATTERN = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
SECONDS = (86400, 3600, 60, 1)


def seconds(text: str) -> float:
    """Return a duration in seconds: ``PT30M`` is 1800.

    :raises AwsError: ``ValidationException`` when it is not a duration.
    """
    found = PATTERN.fullmatch(text)
    if not found or not any(found.groups()):
        raise AwsError("ValidationException", f"{text!r} is no ISO 8601 duration such as PT30M")
    return float(sum(int(part or 0) * unit for part, unit in zip(found.groups(), SECONDS, strict=True)))
