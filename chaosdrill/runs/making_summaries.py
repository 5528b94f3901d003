"""Summaries of runs that have none from their drill: the drill died, or a journal was imported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.judgement import Judgement
from chaosdrill.analysis.metrics import locust_outage
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.states import region_states
from chaosdrill.analysis.summary_fields import summary_fields
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.history.run_directory import experiment_of
from chaosdrill.runs.summaries import NEWEST

Event = Mapping[str, Any]


def summary_of(directory: Path, run: Run, judgement: Judgement, source: str) -> dict[str, Any]:
    """Return the summary of a run.

    :param directory: the run directory.
    :param run: what the drill recorded.
    :param judgement: the judgement of the run.
    :param source: the origin of the summary: ``rebuilt`` or ``imported``.
    :returns: all fields of a drill's summary, see ``summary.schema.json``.
    """
    opened, target = run.first("drill-opened"), run.first("target-opened")
    outage, why_not = locust_outage(run)
    return {
        "version": NEWEST,
        "verdict": judgement.verdict,
        "reasons": list(judgement.reasons),
        "region_states": [{"state": one.state, "seconds": one.seconds} for one in region_states(_sound(run.events))],
        "client_outage": outage.as_json() if outage is not None else {"seconds": None, "why": why_not},
        "judgement": judgement.as_json(),
        **summary_fields(experiment_of(directory.name), run.events, source),
        "run_id": directory.name,
        "run_directory": str(directory.absolute()),
        "title": text(opened.get("title")) or None,
        "target": text(target.get("target")) or None,
        "scale": number(target.get("scale")),
        "broken": [str(one) for one in sequence(_last(run.events, "lab-broken").get("breaks"))],
        "seconds": _seconds(run.events),
    }


def _sound(events: Sequence[Event]) -> list[Event]:
    """Return the events with a time; of the region states, those with a state."""
    timed = [event for event in events if number(event.get("monotonic_s")) is not None]
    return [event for event in timed if event["event"] != "region-state" or isinstance(event.get("state"), str)]


def _seconds(events: Sequence[Event]) -> float | None:
    times = [known for event in events if (known := number(event.get("monotonic_s"))) is not None]
    return round(times[-1] - times[0], 1) if times else None


def _last(events: Sequence[Event], name: str) -> Event:
    return next((mapping(event) for event in reversed(events) if event.get("event") == name), {})
