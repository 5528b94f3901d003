"""The changes of a drill and whether each was undone, from the drill's history. Pure.

A change whose event records its undo (``undone_by``, ``number``) is undone when the undo is no longer owed. The table
in this module is for histories that do not record it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, text
from chaosdrill.history.owed_undos import PLACEMENT, owed_undos

UNDONE, AS_MEANT, NOT_UNDONE, UNKNOWN = "undone", "as-meant", "not-undone", "unknown"
# for histories without `undone_by`: the actions that change something, each with the one that reverses it
UNDONE_BY: Mapping[str, str] = {
    "start_load": "stop_load",
    "change_load": "stop_load",
    "start_heartbeat": "stop_heartbeat",
    "inject_packet_loss": "heal_packet_loss",
    "isolate_region": "heal_packet_loss",
    "pause_replication": "heal_packet_loss",
    "set_desired_count": "restore_desired_count",
    "enable_automatic_failover": "disable_automatic_failover",
}
TRANSITIONS = (
    "fail_over",
    "fail_back",
    "set_routing",
    "set_stop_flag",
    "switch_over_database",
    "fail_over_database",
    "enable_automatic_failover",
)
_STAGES = ("setup", "method")
_NOTHING_CHANGED = ("BadInput", "Refused")  # errors that are raised before any change
_OURS = "chaosdrill."

Event = Mapping[str, Any]


@dataclass(frozen=True)
class SystemChange:
    """An action of setup or method that changed the system, or may have.

    :param outcome: ``undone``; ``as-meant``: the regions ended in the state that the experiment expects at the end;
        ``not-undone``; ``unknown``: the history does not record it, as for an action of another extension.
    """

    activity: str
    func: str
    stage: str
    outcome: str

    def as_json(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return asdict(self)


def changes_of(events: Sequence[Event]) -> tuple[SystemChange, ...]:
    """Return the changes of a drill in order, each activity once; empty when it changed nothing."""
    found: dict[tuple[str, str], SystemChange] = {}
    undoing = {*UNDONE_BY.values(), *(text(event["undone_by"]) for event in events if event.get("undone_by"))}
    owed = {one.step for one in owed_undos(events)}
    for number, event in enumerate(events):
        func, stage, name = (text(event.get(key)) for key in ("func", "phase", "activity"))
        if event.get("event") != "activity-started" or event.get("type") != "action" or stage not in _STAGES:
            continue
        recorded = bool(event.get("undone_by"))
        if (func in undoing and not recorded) or _did_nothing(events[number + 1 :], name, stage, recorded):
            continue
        if recorded and event.get("role") not in PLACEMENT:
            found[stage, name] = SystemChange(name, func, stage, NOT_UNDONE if name in owed else UNDONE)
            continue
        ours = text(event.get("module")).startswith(_OURS)
        found[stage, name] = SystemChange(name, func, stage, _outcome(events, number, name, func, ours))
    return tuple(found.values())


def _did_nothing(later: Iterable[Event], name: str, stage: str, recorded: bool) -> bool:
    """Return whether an action reported that there was nothing to do, or a recorded change was refused."""
    for event in later:
        if event.get("event") == "activity-ended" and (event.get("activity"), event.get("phase")) == (name, stage):
            if recorded and event.get("error_kind") in _NOTHING_CHANGED:
                return True
            return event.get("status") == "succeeded" and mapping(event.get("output")).get("done") is False
    return False


def _outcome(events: Sequence[Event], number: int, name: str, func: str, ours: bool) -> str:
    later = events[number + 1 :]
    begun = (event for event in later if event.get("event") == "activity-started")
    undone_by = {text(event.get("activity")) for event in begun if _undoes(event, name, func)}
    ended = [event for event in later if event.get("event") == "activity-ended"]
    if any(text(event.get("activity")) in undone_by and event.get("status") == "succeeded" for event in ended):
        return UNDONE
    if func in TRANSITIONS and func != "enable_automatic_failover":
        end = next((event for event in reversed(events) if event.get("event") == "end-state"), None)
        if end is not None and end.get("state") == end.get("expected"):
            return AS_MEANT
    return NOT_UNDONE if ours or undone_by else UNKNOWN


def _undoes(event: Event, name: str, func: str) -> bool:
    """Return whether an activity reverses a change: by its function, or by the name of the step that it undoes."""
    undo_of = mapping(event.get("arguments")).get("undo_of")
    if func in UNDONE_BY:
        return event.get("func") == UNDONE_BY[func] and undo_of in (None, name)
    return undo_of == name
