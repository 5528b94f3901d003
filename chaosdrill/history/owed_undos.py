"""Owed undos: what a drill changed and has not reversed, from its history alone. Pure.

The event ``activity-started`` of a change has the facts from the part of the action: ``undone_by`` (the activity that
reverses it), ``part``, ``role``, ``number`` and ``lasts_s``. Older histories have no key ``undone_by``; the tables of
this module apply to those.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Event = Mapping[str, Any]

LOAD, HEARTBEAT, FAULT, SYSTEM = "load", "heartbeat", "fault", "system"
# For histories without `undone_by`, by action: the activity that reverses it, and the kind of change.
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
FAULT_LASTS_S: Mapping[str, float] = {  # for those histories: the defaults of the duration
    "inject_packet_loss": 1800.0,
    "isolate_region": 1200.0,
    "pause_replication": 1200.0,
}
PLACEMENT = ("gate", "routing", "database", "orchestrator")  # roles of the parts that decide which region serves
HANDED_OVER = "undo-handed-over"  # event: an undo was handed over to a successor; it stays owed
ACCEPTED = "undo-accepted"  # event: another run has handed over an undo to this one
PAID_FOR_OTHERS = "accepted-undo-paid"  # event: this run has paid such an undo
UNDO = "undo"  # event: the state that an action records before its change
_NOTHING_CHANGED = ("BadInput", "Refused")  # errors that are raised before anything is changed
_OURS = "chaosdrill."
_OF_THE_EVENT = ("at", "monotonic_s", "event", "seal", "undo", "number")  # fields of an undo event that are no facts


@dataclass(frozen=True)
class OwedUndo:
    """A step that was begun and not reversed.

    :param step: its name in the experiment.
    :param action: the function that it called, such as ``inject_packet_loss``.
    :param kind: what it changed: load, heartbeat, fault or system.
    :param undo: the activity that reverses it.
    :param began: when it was begun, UTC, ISO 8601.
    :param arguments: the arguments of its call.
    :param ends: when it ends by itself, UTC, ISO 8601; empty when it does not.
    :param ids: of a fault: ids of its FIS experiments, by region.
    :param part: the part that it changed, such as ``packet_loss``.
    :param role: that part's role, such as ``fault``; empty in a history that does not record it.
    :param number: of the change within its run, from 1.
    :param before: what the action recorded before its change, such as ``{"arguments": {"region": …, "value": false}}``;
        empty until then.
    """

    step: str
    action: str
    kind: str
    undo: str
    began: str
    arguments: Mapping[str, Any]
    ends: str = ""
    ids: Mapping[str, Sequence[str]] | None = None
    part: str = ""
    role: str = ""
    number: int = 0
    before: Mapping[str, Any] = field(default_factory=dict)

    def left_s(self, now: datetime) -> float | None:
        """Return the seconds until it ends by itself, at least 0; None when it does not."""
        return max(0.0, (_moment(self.ends) - now).total_seconds()) if self.ends else None


@dataclass(frozen=True)
class _Change:
    """A step that may have changed something, and whether its event records its undo (``undone_by``)."""

    undo: OwedUndo
    recorded: bool


def owed_undos(events: Sequence[Event]) -> tuple[OwedUndo, ...]:
    """List what a drill began and has not reversed, in the order in which it was begun.

    :param events: its history, oldest first.
    :returns: each step of setup and method that may have changed something, and whose undo has not succeeded. A step
        that was begun and did not end may have changed something, too. Changes of placement are not owed when the
        regions ended in the state that the drill declares, and that is the state in which it found them, or home
        serves.
    """
    owed: list[_Change] = []
    begun = 0
    arguments: dict[str, Any] = {}  # arguments of each activity's latest start
    for place, event in enumerate(events):
        if event.get("event") == "activity-started":
            arguments[str(event.get("activity"))] = event.get("arguments")
            if _is_change(event):
                begun += 1
                owed.append(_change(event, begun, events[place:]))
        elif event.get("event") == "activity-ended" and owed:
            owed = _left_by(event, owed, _undo_of(arguments.get(str(event.get("activity")))))
        elif event.get("event") == "end-state" and _ends_in_place(event, events):
            owed = [one for one in owed if one.undo.role not in PLACEMENT]
        # the step that reversed another run's change does not have to be reversed
        elif event.get("event") == PAID_FOR_OTHERS:
            owed = [one for one in owed if not _reverses_for_others(one, event)]
    return tuple(one.undo for one in owed)


def _is_change(event: Event) -> bool:
    if "undone_by" in event:
        return bool(event["undone_by"])
    module = str(event.get("module") or "")
    return module.startswith(_OURS) and str(event.get("func")) in UNDONE_BY and event.get("phase") != "rollbacks"


def _left_by(event: Event, owed: Sequence[_Change], named: Any) -> list[_Change]:
    """List what is still owed after an activity has ended.

    :param named: the step that it names in ``undo_of``.
    """
    if event.get("phase") != "rollbacks" and _changed_nothing(event):
        owed = [one for one in owed if one.undo.step != event.get("activity")]
    if event.get("status") != "succeeded" or _was_not_called_for(event):
        return list(owed)
    settled = [one for one in owed if _reverses(event, one, named)]
    if any(one.recorded for one in settled):
        settled += [one for one in owed if one.recorded and _goes_with(event, one, settled)]
    return [one for one in owed if one not in settled]


def _reverses(event: Event, one: _Change, named: Any) -> bool:
    """Return whether an activity that has succeeded reversed a change."""
    undo, func = one.undo, event.get("func")
    if named:
        return bool(named == undo.step and (func == undo.undo or (one.recorded and func == undo.action)))
    return func == undo.undo and undo.undo != undo.action


def _goes_with(event: Event, one: _Change, settled: Sequence[_Change]) -> bool:
    """Return whether a change is settled together with others: the undo itself, if it is a change, too; or an
    amendment, such as ``change_load`` of a load that is stopped.
    """
    if one.undo.step == event.get("activity") and one.undo.action == event.get("func"):
        return event.get("phase") != "rollbacks"
    return one.undo.role == "client" and any(
        one.undo.undo == other.undo.undo == event.get("func") and one.undo.action != other.undo.action
        for other in settled
    )


def _changed_nothing(event: Event) -> bool:
    output = event.get("output")
    return event.get("error_kind") in _NOTHING_CHANGED or (isinstance(output, Mapping) and output.get("done") is False)


def _was_not_called_for(event: Event) -> bool:
    """Return whether an undo did nothing because of its ``when``."""
    output = event.get("output")
    return isinstance(output, Mapping) and output.get("called_for") is False


def _ends_in_place(end: Event, events: Sequence[Event]) -> bool:
    """Return whether the regions ended as the drill declares, and that is as it found them, or home serves."""
    opened = _first(events, "drill-opened")
    is_meant = bool(end.get("state")) and end.get("state") == end.get("expected")
    return is_meant and (end.get("expected") == opened.get("expect") or ends_at_home(events))


def ends_at_home(events: Sequence[Event]) -> bool:
    """Return whether the regions ended with home serving; False in a history that does not name home."""
    home = _first(events, "target-opened").get("home")
    ends = [event for event in events if event.get("event") == "end-state"]
    return bool(home and ends) and ends[-1].get("state") == f"serving({home})"


def _reverses_for_others(one: _Change, paid: Event) -> bool:
    return one.undo.part == paid.get("part") and one.undo.action == paid.get("undo")


def _first(events: Iterable[Event], name: str) -> Event:
    return next((event for event in events if event.get("event") == name), {})


def _undo_of(arguments: Any) -> Any:
    return arguments.get("undo_of") if isinstance(arguments, Mapping) else None


def _change(event: Event, place: int, after: Iterable[Event]) -> _Change:
    """Describe a change.

    :param place: its place among the changes of its history, from 1: the number if none is recorded.
    :param after: the event and those after it.
    """
    action, began, step = str(event.get("func")), str(event.get("at") or ""), str(event.get("activity"))
    arguments = event.get("arguments")
    arguments = dict(arguments) if isinstance(arguments, Mapping) else {}
    number = _number(event.get("number"), place)
    during = list(_during(after, step))
    if "undone_by" in event:
        undo, part, role = (str(event.get(name) or "") for name in ("undone_by", "part", "role"))
        kind, lasts_s = _kind(part, role), event.get("lasts_s")
    else:
        undo, kind = UNDONE_BY[action]
        part, role = str(event.get("module")).removeprefix(_OURS).partition(".")[0], ""
        lasts_s = arguments.get("duration_s", FAULT_LASTS_S[action]) if action in FAULT_LASTS_S else None
    ids = _experiments(during) if kind == FAULT else None
    before = _before(during, undo, number)
    ends = _ends(began, lasts_s)
    owed = OwedUndo(step, action, kind, undo, began, arguments, ends, ids, part, role, number, before)
    return _Change(owed, "undone_by" in event)


def _kind(part: str, role: str) -> str:
    if role == "fault":
        return FAULT
    return part if role == "client" and part in (LOAD, HEARTBEAT) else SYSTEM


def _number(recorded: Any, place: int) -> int:
    return recorded if isinstance(recorded, int) and not isinstance(recorded, bool) else place


def _ends(began: str, lasts_s: Any) -> str:
    if lasts_s is None:
        return ""
    try:
        return (_moment(began) + timedelta(seconds=float(lasts_s))).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        return ""


def _during(after: Iterable[Event], step: str) -> Iterable[Event]:
    """List the events from a step's beginning to its end."""
    for event in after:
        yield event
        if event.get("event") == "activity-ended" and event.get("activity") == step:
            return


def _experiments(during: Iterable[Event]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in during:
        if event.get("event") == "fault-started":
            found.setdefault(str(event.get("region")), []).append(str(event.get("experiment")))
    return found


def _before(during: Iterable[Event], undo: str, number: int) -> dict[str, Any]:
    """Return what the action recorded before its change; in a history without numbers, matched by the reversing
    activity.
    """
    facts: dict[str, Any] = {}
    for event in during:
        if event.get("event") == UNDO and event.get("undo") == undo and event.get("number", number) == number:
            facts |= {name: value for name, value in event.items() if name not in _OF_THE_EVENT}
    return facts


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
