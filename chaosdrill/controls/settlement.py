"""The settlement check: the method does not begin while the settlement lag of the heartbeat's writes grows. Also the
increased write rate around each transition.
"""

import logging
from collections.abc import Mapping
from typing import Any

from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.client.settlement import settlement_checked
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.experiment import is_transition
from chaosdrill.errors import DrillError, Refused
from chaosdrill.messages import sentence
from chaosdrill.parts.registry import part_of_function

logger = logging.getLogger("chaostoolkit")
EVENT, BURST = "settlement-measured", "heartbeat-burst"


def begin_settlement_check(drill: DrillContext) -> None:
    """Begin the check, which runs while the steady state is checked; a failure is reported by
    :func:`require_settled`.
    """
    if (heartbeat := _writing(drill)) is not None:
        try:
            heartbeat.page.settlement()
        except DrillError as error:
            logger.debug(f"the settlement check was not begun: {error}")


def require_settled(drill: DrillContext) -> None:
    """Wait for the check and record it.

    :raises Refused: when the settlement lag grows.
    :raises CannotSee: when the heartbeat does not report it.
    """
    if (heartbeat := _writing(drill)) is None:
        return
    found = settlement_checked(heartbeat)
    drill.record.note(EVENT, **found)
    if found["grows"]:
        raise Refused(
            sentence(
                "the application settles writes more slowly than they are sent ({rate_per_s:g}/s by the heartbeat, "
                "beside the load): the drill itself would make it fail; lower `rate_per_s` of the heartbeat, or users",
                rate_per_s=float(found["burst_per_s"] or found["rate_per_s"]),
            ),
            code="settlement-lag-grows",
        )


def raise_writes(drill: DrillContext, activity: Mapping[str, Any]) -> None:
    """Raise the write rate around a step that moves the application to another region, or cuts one off."""
    if not (is_transition(activity) or _cuts_off(activity)) or (heartbeat := _writing(drill)) is None:
        return
    if heartbeat.settings["burst_per_s"] is None:
        return
    try:
        drill.record.note(BURST, **heartbeat.page.begin_burst())
    except DrillError as error:  # writes continue at the usual rate then
        drill.record.note(BURST, write_rate_per_s=None, why=str(error))


def _writing(drill: DrillContext) -> HeartbeatProcess | None:
    """Return the heartbeat, if it runs and checks the settlement of its writes."""
    heartbeat = drill.heartbeat.find() if drill.heartbeat is not None else None
    follows = heartbeat is not None and heartbeat.writes and heartbeat.settings["settled"] is not None
    return heartbeat if follows else None


def _cuts_off(activity: Mapping[str, Any]) -> bool:
    provider = activity.get("provider") or {}
    function = f"{provider.get('module')}.{provider.get('func')}"
    part = part_of_function(function)
    return part is not None and function.rpartition(".")[2] in part.cuts_off
