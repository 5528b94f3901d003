"""Fields of a run's summary beside the judgement, so that runs can be compared without their histories. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaosdrill.analysis.hypothesis import hypothesis_of
from chaosdrill.analysis.undo_results import changes_of
from chaosdrill.analysis.untrusted_json import mapping, number, text
from chaosdrill.history.owed_undos import HANDED_OVER

WRITES = "writes of the heartbeat"
DRILL, REBUILT, IMPORTED = "drill", "rebuilt", "imported"


def summary_fields(experiment: str, events: Sequence[Mapping[str, Any]], source: str) -> dict[str, Any]:
    """Return the fields of a summary of version 3, except the judgement.

    :param experiment: the name of the experiment, used when the history has none.
    :param events: the history.
    :param source: ``drill``; ``rebuilt``: from the history of a drill that died; ``imported``: from a journal.
    :returns: ``experiment``, ``began``, ``source``, ``objectives``, ``circumstances``, ``changes``, ``approvals``,
        ``handed_over``, ``hypothesis``, ``report``.
    """
    opened = _first(events, "drill-opened")
    return {
        "experiment": text(opened.get("experiment")) or experiment,
        "began": text(opened.get("at")),
        "source": source,
        "objectives": dict(mapping(opened.get("objectives"))),
        "circumstances": _circumstances(opened, _first(events, "target-opened"))
        | _writes(_first(events, "heartbeat-started")),
        "changes": [one.as_json() for one in changes_of(events)],
        "approvals": approvals_of(events),
        "handed_over": handed_over_of(events),
        "hypothesis": [one.as_json() for one in hypothesis_of(events)],
        "report": None,
    }


def approvals_of(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps that waited for an approval, with who approved or refused each, and when.

    :returns: ``{activity, approved, by, at, where, waited_s}`` of each; ``by`` is empty without a response.
    """
    return [
        {
            "activity": text(event.get("activity")),
            "approved": event.get("event") == "approval-granted",
            "by": text(event.get("by")),
            "at": text(event.get("answered_at")) or text(event.get("at")),
            "where": text(event.get("where")),
            "waited_s": number(event.get("waited_s")),
        }
        for event in events
        if event.get("event") in ("approval-granted", "approval-refused")
    ]


def handed_over_of(events: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the undos that the drill has handed over: ``{step, undo, to, until}`` of each."""
    names = ("step", "undo", "to", "until")
    handed_over = (event for event in events if event.get("event") == HANDED_OVER)
    return [{name: text(event.get(name)) for name in names} for event in handed_over]


def _circumstances(opened: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    origin = mapping(opened.get("origin"))
    found = {
        "experiment (sha256)": opened.get("experiment_sha256"),
        "topology (sha256)": target.get("topology_content_sha256") or target.get("topology_sha256"),
        "objectives": opened.get("objectives"),
        "target": target.get("target") or opened.get("target"),
        "scale": target.get("scale"),
        "lenient lab": target.get("lenient") or None,
        "git commit": mapping(origin.get("git")).get("commit"),
        "host": origin.get("host"),
    }
    found |= {f"version of {name}": value for name, value in mapping(opened.get("versions")).items()}
    return found | {f"variable {name}": value for name, value in mapping(opened.get("configuration")).items()}


def _writes(started: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rate of the heartbeat's writes; empty when there were none, or the history does not record it."""
    rate_per_s, burst_per_s = number(started.get("write_rate_per_s")), number(started.get("burst_per_s"))
    if rate_per_s is None or not started.get("writes"):
        return {}
    return {WRITES: f"{rate_per_s:g}/s" + (f", up to {burst_per_s:g}/s around a transition" if burst_per_s else "")}


def _first(events: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((event for event in events if event.get("event") == name), {})
