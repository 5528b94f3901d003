"""Owed undos: what a drill changed and has not reversed, from its history alone. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Event = Mapping[str, Any]

LOAD, HEARTBEAT, FAULT, SYSTEM = "load", "heartbeat", "fault", "system"
# by action: the activity that reverses it, and what of the system it changes
UNDONE_BY: Mapping[str, tuple[str, str]] = {
    "start_load": ("stop_load", LOAD),
    "start_heartbeat": ("stop_heartbeat", HEARTBEAT),
    "inject_packet_loss": ("heal_packet_loss", FAULT),
    "isolate_region": ("heal_packet_loss", FAULT),
    "pause_replication": ("heal_packet_loss", FAULT),
    "fail_over": ("fail_back", SYSTEM),
    "fail_back": ("fail_over", SYSTEM),
    "set_stop_flag": ("set_stop_flag", SYSTEM),
    "set_routing": ("set_routing", SYSTEM),
    "switch_over_database": ("switch_over_database", SYSTEM),
    "fail_over_database": ("switch_over_database", SYSTEM),
    "set_desired_count": ("restore_desired_count", SYSTEM),
    "enable_automatic_failover": ("disable_automatic_failover", SYSTEM),
    "disable_automatic_failover": ("enable_automatic_failover", SYSTEM),
}
FAULT_LASTS_S: Mapping[str, float] = {  # their defaults
    "inject_packet_loss": 1800.0,
    "isolate_region": 1200.0,
    "pause_replication": 1200.0,
}
_NOTHING_CHANGED = ("BadInput", "Refused")  # errors that are raised before anything is changed
_OURS = "chaosdrill."


@dataclass(frozen=True)
class OwedUndo:
    """A step that was begun and not reversed.

    :param step: its name in the experiment.
    :param action: the function that it called, such as ``inject_packet_loss``.
    :param kind: what it changed: load, heartbeat, fault or system.
    :param undo: the activity that reverses it.
    :param began: when it was begun, UTC, ISO 8601.
    :param arguments: what it was called with.
    :param ends: when it ends by itself, UTC, ISO 8601; empty when it does not.
    :param ids: of a fault: ids of its FIS experiments, by region.
    """

    step: str
    action: str
    kind: str
    undo: str
    began: str
    arguments: Mapping[str, Any]
    ends: str = ""
    ids: Mapping[str, Sequence[str]] | None = None

    def left_s(self, now: datetime) -> float | None:
        """:returns: how long it stays in force by itself, in seconds, at least 0; None when it does not end."""
        return max(0.0, (_moment(self.ends) - now).total_seconds()) if self.ends else None


def owed_undos(events: Sequence[Event]) -> tuple[OwedUndo, ...]:
    """List what a drill began and has not reversed, in the order in which it was begun.

    :param events: its history, oldest first.
    :returns: each step of setup and method that may have changed something, and whose undo has not succeeded. A step
        that was begun and did not end may have changed something, too.
    """
    owed: list[tuple[OwedUndo, int]] = []
    for place, event in enumerate(events):
        if event.get("event") == "activity-started" and _is_change(event):
            owed.append((_owed(event, events[place:]), place))
        elif event.get("event") == "activity-ended":
            owed = [(one, at) for one, at in owed if not _settles(event, one, _arguments(events[:place], event))]
    return tuple(one for one, _ in owed)


def _is_change(event: Event) -> bool:
    module = str(event.get("module") or "")
    return module.startswith(_OURS) and event.get("func") in UNDONE_BY and event.get("phase") != "rollbacks"


def _settles(event: Event, one: OwedUndo, arguments: Mapping[str, Any]) -> bool:
    """Whether the end of an activity says that nothing is owed of a step any more."""
    if event.get("phase") != "rollbacks" and event.get("activity") == one.step and _changed_nothing(event):
        return True
    if event.get("status") != "succeeded" or event.get("func") != one.undo:
        return False
    named = arguments.get("undo_of")
    return named == one.step if named else one.undo != one.action


def _changed_nothing(event: Event) -> bool:
    output = event.get("output")
    return event.get("error_kind") in _NOTHING_CHANGED or (isinstance(output, Mapping) and output.get("done") is False)


def _arguments(before: Sequence[Event], ended: Event) -> Mapping[str, Any]:
    """What the activity that ends was started with."""
    for event in reversed(before):
        if event.get("event") == "activity-started" and event.get("activity") == ended.get("activity"):
            arguments = event.get("arguments")
            return arguments if isinstance(arguments, Mapping) else {}
    return {}


def _owed(event: Event, after: Iterable[Event]) -> OwedUndo:
    action = str(event["func"])
    undo, kind = UNDONE_BY[action]
    arguments = event.get("arguments")
    arguments = dict(arguments) if isinstance(arguments, Mapping) else {}
    began = str(event.get("at") or "")
    ids = _experiments(after, str(event.get("activity"))) if kind == FAULT else None
    return OwedUndo(
        str(event.get("activity")), action, kind, undo, began, arguments, _ends(action, began, arguments), ids
    )


def _ends(action: str, began: str, arguments: Mapping[str, Any]) -> str:
    if action not in FAULT_LASTS_S:
        return ""
    try:
        lasts = timedelta(seconds=float(arguments.get("duration_s", FAULT_LASTS_S[action])))
        return (_moment(began) + lasts).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        return ""


def _experiments(after: Iterable[Event], step: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in after:
        if event.get("event") == "fault-started":
            found.setdefault(str(event.get("region")), []).append(str(event.get("experiment")))
        if event.get("event") == "activity-ended" and event.get("activity") == step:
            break
    return found


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
