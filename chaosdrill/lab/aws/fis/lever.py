"""The safety lever, one per region of an account. While it is engaged, no experiment runs.

:source: https://docs.aws.amazon.com/fis/latest/userguide/safety-lever.html
"""

from typing import Any

from chaosdrill.lab.aws.errors import AwsError
from chaosdrill.lab.aws.runtime import plan

DEFAULT = "default"
ENGAGED = "engaged"
_states: dict[str, dict[str, str]] = {}  # by region


def lever_response(region: str, lever: str) -> dict[str, Any]:
    """Return the lever as GetSafetyLever does.

    :raises AwsError: when there is none with that ID.
    """
    if lever != DEFAULT:
        raise AwsError("ResourceNotFoundException", f"Safety lever {lever} does not exist")
    arn = f"arn:aws:fis:{region}:{plan().account}:safety-lever/{DEFAULT}"
    state = _states.get(region) or {"status": "disengaged", "reason": "Default state"}
    return {"safetyLever": {"id": DEFAULT, "arn": arn, "state": state}}


def move(region: str, status: str, reason: str) -> None:
    """Engage or disengage it."""
    _states[region] = {"status": status, "reason": reason}


def engaged(region: str) -> bool:
    """Return whether the lever of a region is engaged."""
    return bool(_states.get(region, {}).get("status") == ENGAGED)
