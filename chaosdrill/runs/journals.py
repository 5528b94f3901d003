"""Chaos Toolkit's journal of a drill that died, rebuilt from its history.

Chaos Toolkit writes its own journal only at the very end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaosdrill.analysis.untrusted_json import answer, mapping, number, sequence, text

Event = Mapping[str, Any]
Step = dict[str, Any]

# Chaos Toolkit has four statuses; its exit code is 0 only for "completed" without a deviation
_STATUS = {"passed": "completed", "failed": "failed", "interrupted": "interrupted"}
OTHER_STATUS, DEAD = "aborted", "interrupted"
_BEFORE, _DURING, _AFTER = "steady-state-before", "steady-state-during", "steady-state-after"


def status_of(verdict: str) -> str:
    """Return the status of a journal that corresponds to a verdict."""
    return _STATUS.get(verdict, OTHER_STATUS)


def journal_of(events: Sequence[Event], experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a journal in Chaos Toolkit's format.

    :param events: the history of a drill, oldest first.
    :param experiment: the experiment; empty when it is unknown.
    :returns: the journal. A step that was begun and did not end has the status ``aborted``, no output and no end. The
        key ``chaosdrill`` marks it as rebuilt.
    """
    opened, closed = _first(events, "drill-opened"), _first(events, "drill-closed")
    last = events[-1] if events else {}
    before, after = (_states(events, phase, experiment)[:1] for phase in (_BEFORE, _AFTER))
    return {
        "chaoslib-version": mapping(opened.get("versions")).get("chaostoolkit-lib"),
        "platform": None,
        "node": mapping(opened.get("origin")).get("host"),
        "experiment": dict(experiment) or {"title": opened.get("title"), "method": []},
        "start": _time(opened),
        "status": status_of(str(closed.get("verdict"))) if closed else DEAD,
        "deviated": any(state["steady_state_met"] is False for state in after),
        "steady_states": {
            "before": before[0] if before else None,
            "after": after[0] if after else None,
            "during": _states(events, _DURING, experiment),
        },
        "run": _steps(events, "method", _activities(experiment, "method")),
        "rollbacks": _steps(events, "rollbacks", _activities(experiment, "rollbacks")),
        "end": _time(last),
        "duration": _seconds(opened, last),
        "chaosdrill": {"rebuilt": True, "from": "history.jsonl", "run_id": opened.get("run_id"), "events": len(events)},
    }


def _states(events: Sequence[Event], phase: str, experiment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each check of the steady state: during the method there are several."""
    hypothesis = mapping(experiment.get("steady-state-hypothesis"))
    checked: list[list[Step]] = []
    for step in _steps(events, phase, _activities(hypothesis, "probes"), checked=True):
        names = {one["activity"]["name"] for one in checked[-1]} if checked else set()
        if not checked or step["activity"]["name"] in names:
            checked.append([])
        checked[-1].append(step)
    planned = mapping(_first(events, "drill-opened").get("planned"))
    many = len(sequence(planned.get(_BEFORE)))
    return [{"steady_state_met": _met(steps, many), "probes": steps} for steps in checked]


def _met(steps: Sequence[Step], many: int) -> bool | None:
    """Return whether the steady state was met; None when its check was not completed."""
    if any(one["tolerance_met"] is False for one in steps):
        return False
    return True if len(steps) >= many and all(one["tolerance_met"] for one in steps) else None


def _steps(
    events: Iterable[Event], phase: str, activities: Mapping[str, Mapping[str, Any]], checked: bool = False
) -> list[Step]:
    steps: list[Step] = []
    going: list[tuple[Step, Event]] = []
    for event in events:
        if event.get("phase") != phase:
            continue
        if event.get("event") == "activity-started":
            going.append((_begun(event, activities), event))
            steps.append(going[-1][0])
        elif event.get("event") == "activity-ended":
            found = next((one for one in going if one[0]["activity"]["name"] == event.get("activity")), None)
            if found is not None:
                going.remove(found)
                found[0].update(_ended(event, found[1]))
                if checked:
                    found[0]["tolerance_met"] = _tolerance_met(event)
    for step, _ in going:
        step.update({"status": "aborted"} | ({"tolerance_met": None} if checked else {}))
    return steps


def _begun(event: Event, activities: Mapping[str, Mapping[str, Any]]) -> Step:
    name = text(event.get("activity"))
    provider = {"type": "python", "module": event.get("module"), "func": event.get("func")}
    seen = {"type": event.get("type"), "name": name, "provider": {**provider, "arguments": event.get("arguments")}}
    return {"activity": dict(activities.get(name, seen)), "output": None, "start": _time(event)}


def _ended(event: Event, begun: Event) -> Step:
    status, took = event.get("status"), number(event.get("duration_s"))
    ended = {
        "output": event.get("output"),
        "status": status if status in ("succeeded", "failed") else "aborted",
        "end": _time(event),
        "duration": took if took is not None else _seconds(begun, event),
    }
    return {**ended, "exception": [text(event.get("error"))]} if status == "failed" else ended


def _tolerance_met(event: Event) -> bool | None:
    """Return the result of a tolerance; for Chaos Toolkit a probe that failed has missed it."""
    return answer(event.get("tolerance_met")) if event.get("status") == "succeeded" else False


def _activities(part: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    found = [one for one in sequence(part.get(name)) if isinstance(one, Mapping)]
    return {text(one.get("name")): one for one in found}


def _time(event: Event) -> str | None:
    """Return a time as Chaos Toolkit writes it."""
    at = text(event.get("at"))
    return f"{at[:-1]}+00:00" if at.endswith("Z") else at or None


def _seconds(since: Event, until: Event) -> float | None:
    begun, ended = number(since.get("monotonic_s")), number(until.get("monotonic_s"))
    return None if begun is None or ended is None else round(ended - begun, 4)


def _first(events: Iterable[Event], name: str) -> Event:
    return next((event for event in events if event.get("event") == name), {})
