"""Description of a run in any state, complete or not."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaosdrill.analysis.compared_figures import measured_of
from chaosdrill.analysis.ledger import ledger_of
from chaosdrill.analysis.summary_fields import approvals_of, handed_over_of, summary_fields
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.history.json_safe import to_json_safe
from chaosdrill.history.run_directory import EXPERIMENT, HISTORY, SUMMARY, TOPOLOGY, experiment_of
from chaosdrill.runs.dead_runs import dead_run
from chaosdrill.runs.events import read_events
from chaosdrill.runs.files import files_of
from chaosdrill.runs.jsonl import json_lines
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.records.tables import LEDGER, RECORDS
from chaosdrill.runs.summaries import DRILL, IMPORTED, REBUILT, Summary, read_summary
from chaosdrill.runs.tags import tags_of

WHOLE, GOES_ON, DIED, UNREADABLE, FOREIGN = "whole", "goes on", "died", "unreadable", "foreign"
_OF_SOURCE = {
    DRILL: (WHOLE, ""),
    REBUILT: (REBUILT, "the drill died; its summary and journal were made afterwards, from what it left behind"),
    IMPORTED: (IMPORTED, "a journal of plain Chaos Toolkit: it contains no measurements and no regions"),
}


def described(directory: Path) -> dict[str, Any]:
    """Return the description of a run as JSON values.

    :returns: its ``state`` (whole, rebuilt, imported, goes on, died, unreadable, foreign), ``notes`` on that in
        sentences, the undos that a drill which died still owes (``owed``), and the contents of its summary and history;
        unknown values are null or empty.
    """
    summary = read_summary(directory)
    events, problems = read_events(directory, still_open=True)
    state, notes = _state(directory, summary, events)
    if events and state != IMPORTED:  # the findings of its journal are in its reasons
        notes += [one.text for one in problems]
    dead = dead_run(directory, events)
    if dead is not None and dead.owed:
        last = f"; the last region state that it recorded: {dead.region_state} at {dead.region_state_at}"
        notes.append(f"it began what it has not undone{last if dead.region_state else ''}")
        notes += [f"may be in force: {one}" for one in dead.in_force()]
        notes += [f"the way back: {one}" for one in dead.way_back()]
    found = {
        "run": directory.name,
        "directory": str(directory),
        "state": state,
        "notes": notes,
        "owed": [asdict(one) for one in dead.owed] if dead is not None else [],
        "verdict": summary.verdict or None,
        "reasons": list(summary.reasons),
        **_of_history(events, summary.said),
        **_of_summary(directory, summary, events),
        "synthetic_writes": _synthetic_writes(directory),
        "tags": list(tags_of(directory)),
        "files": [] if state == FOREIGN else [{"file": name, "bytes": size} for name, size in files_of(directory)],
    }
    known: dict[str, Any] = to_json_safe(found)  # untrusted: remove secrets, deep nesting and NaN
    return known


def _state(directory: Path, summary: Summary, events: Sequence[Any]) -> tuple[str, list[str]]:
    if summary.said:
        state, note = _OF_SOURCE.get(summary.source, (UNREADABLE, "the origin of its summary is unknown"))
        return state, [note] if note else []
    if not summary.missing:
        return UNREADABLE, [f"its summary {summary.why_not}"]
    if not os.path.exists(directory / HISTORY):
        return FOREIGN, [f"there is neither {HISTORY} nor {SUMMARY}: not recognizable as a run"]
    if goes_on(directory):
        return GOES_ON, ["the drill still goes on, so there is no verdict yet"]
    if not events:
        return FOREIGN, [f"{HISTORY} holds no events: not recognizable as a run"]
    return DIED, ["the drill died before it wrote its summary: `chaosdrill runs judge` says what it proved"]


def _of_history(events: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> dict[str, Any]:
    opened, origin = _first(events, "drill-opened"), mapping(_first(events, "drill-opened").get("origin"))
    return {
        "title": text(said.get("title") or opened.get("title")),
        "configuration": dict(mapping(opened.get("configuration"))),
        "versions": dict(mapping(opened.get("versions"))),
        "git": origin.get("git"),
        "operator": text(origin.get("operator")),
        "host": text(origin.get("host")),
        "change_ticket": text(opened.get("change_ticket")),
        "approver": text(opened.get("approver")),
        "approvals": approvals_of(events),
        "handed_over": handed_over_of(events),
        "planned_calls": _planned_calls(events),
        "experiment_sha256": opened.get("experiment_sha256"),
        "topology_sha256": _first(events, "target-opened").get("topology_sha256"),
    }


def _planned_calls(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the calls planned by each step of a dry run: ``{activity, phase, calls, why}``; empty for other runs."""
    planned = (event for event in events if event.get("event") == "calls-planned")
    return [
        {
            **{name: text(event.get(name)) for name in ("activity", "phase", "why")},
            "calls": [mapping(one) for one in sequence(event.get("calls"))],
        }
        for event in planned
    ]


def _of_summary(directory: Path, summary: Summary, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    name = experiment_of(directory.name)
    said = {**summary_fields(name, events, summary.source), **summary.said}
    target = _first(events, "target-opened")
    judgement = mapping(said.get("judgement"))
    figures = {name: measured_of(one) for name, one in mapping(judgement.get("figures")).items()}
    return {
        "source": summary.source or None,
        "experiment": text(said["experiment"]),
        "experiment_file": _name_of(directory, EXPERIMENT),
        "topology_file": _name_of(directory, TOPOLOGY),
        "began": text(said["began"]),
        "seconds": number(said.get("seconds")),
        "target": text(said.get("target") or _first(events, "drill-opened").get("target")),
        "scale": number(said.get("scale", target.get("scale"))),
        "broken": list(sequence(said.get("broken"))),
        "settlement": dict(_first(events, "settlement-measured")),
        "objectives": dict(mapping(said["objectives"])),
        "circumstances": dict(mapping(said["circumstances"])),
        "region_states": list(sequence(said.get("region_states"))),
        "client_outage": dict(mapping(said.get("client_outage"))),
        "transitions": list(sequence(judgement.get("movements"))),
        "truths": list(sequence(judgement.get("truths"))),
        "figures": {name: figure.as_json() for name, figure in figures.items() if figure is not None},
        "findings": list(sequence(judgement.get("findings"))),
        "hypothesis": list(sequence(said["hypothesis"])),
        "report": text(said["report"]),
    }


def _synthetic_writes(directory: Path) -> dict[str, Any]:
    """Return how much the drill left in the application's ledger: ``{writes, accounts}``; empty if none is known."""
    try:
        rows, _, _ = json_lines(directory / RECORDS / LEDGER)
    except OSError:  # no writes, or an unreadable ledger, which `runs verify` reports
        return {}
    left = [write for write, _ in ledger_of(rows).left_in_application()]
    return {"writes": len(left), "accounts": len({write.account for write in left})} if left else {}


def _name_of(directory: Path, begins: str) -> str | None:
    """Return the name of a file by its beginning: the copy of the experiment has the ending of the original."""
    found = sorted(path.name for path in directory.glob(f"{begins}*") if path.is_file())
    return found[0] if found else None


def _first(events: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((event for event in events if event.get("event") == name), {})
