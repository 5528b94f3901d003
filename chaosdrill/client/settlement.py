"""The heartbeat's settlement check: whether the application settles writes as fast as they are sent."""

from collections.abc import Mapping
from typing import Any

from chaosdrill.aws.polling import poll_times
from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.errors import CannotSee, DrillError

DONE_WITHIN_S = 20.0  # the check itself takes 10 s at most


def settlement_checked(heartbeat: HeartbeatProcess) -> Mapping[str, Any]:
    """Wait for the settlement check of a heartbeat, which the first call starts.

    :returns: its measurements: ``rate_per_s``, ``burst_per_s``, ``writes``, ``lag_s``, ``longest_s``,
        ``capacity_per_s``, ``grows``; None where a value could not be measured.
    :raises CannotSee: when the check does not end in time.
    """
    why: DrillError = CannotSee("the settlement check did not end in time", code="settlement-unknown")
    for _ in poll_times(DONE_WITHIN_S, heartbeat.poll_every_s):
        try:
            found = heartbeat.page.settlement()
        except CannotSee as error:
            why = error
        else:
            if found["state"] == "done":
                return {name: value for name, value in found.items() if name != "state"}
    raise why
