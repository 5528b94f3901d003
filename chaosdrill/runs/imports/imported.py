"""Conversion of a journal of plain Chaos Toolkit to the events of a drill's history."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.analysis.findings import TOLD, Finding, finding
from chaosdrill.analysis.untrusted_json import answer, mapping, number, sequence, text
from chaosdrill.history.run_directory import HISTORY, JOURNAL, is_told_by_run_id
from chaosdrill.messages import Sentence, as_it_is, sentence, together
from chaosdrill.runs.documents import json_document

Journal = Mapping[str, Any]
Event = dict[str, Any]
OURS = "chaosdrill"  # only a drill writes this key, and it leaves a whole run
FILE = as_it_is("journal.json")
JOURNAL_ENDED, REST = "journal-ended", "journal-only"
_STATES = {"before": "steady-state-before", "during": "steady-state-during", "after": "steady-state-after"}
_STATUSES = ("completed", "failed", "interrupted", "aborted")
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception|Failed)): ")


def problems_of(journal: Any) -> list[str]:
    """Return why a value is not a journal of plain Chaos Toolkit; empty when it is one."""
    if not isinstance(journal, Mapping):
        return ["it holds no JSON object: Chaos Toolkit's journal is one"]
    if OURS in journal:
        run = text(mapping(journal[OURS]).get("run_id"))
        return [f"this is the journal of chaosdrill's run {run or '?'}: import that run, which contains more"]
    kinds = {"experiment": Mapping, "steady_states": Mapping, "run": list, "rollbacks": list}
    problems = [
        f"it has no {name}, or that is something else than Chaos Toolkit writes"
        for name, kind in kinds.items()
        if not isinstance(journal.get(name), kind)
    ]
    if began_of(journal) is None:
        problems.append("it has no start, or that is no time")
    if journal.get("status") not in _STATUSES:
        problems.append(f"its status is none of {', '.join(_STATUSES)}")
    return problems


def began_of(journal: Journal) -> datetime | None:
    """Return when the experiment began, UTC; None when the journal does not record it."""
    return _moment(journal.get("start"))


def read_imported(directory: Path) -> Journal | None:
    """Return the journal of an imported run; None when it is a drill's run."""
    journal = json_document(directory / JOURNAL)
    return journal if not problems_of(journal) and not os.path.lexists(directory / HISTORY) else None


def hash_of(journal: Journal) -> str:
    """Return the sha256 of a journal's content, independent of its formatting."""
    return hashlib.sha256(json.dumps(journal, sort_keys=True).encode()).hexdigest()


def events_of(journal: Journal) -> list[Event]:
    """Return the contents of a journal as the events of a history."""
    experiment, began = mapping(journal.get("experiment")), began_of(journal)
    title = text(experiment.get("title"))
    ended = _moment(journal.get("end"))
    opened = {
        "event": "drill-opened",
        **_at(began, began),
        "experiment": "" if is_told_by_run_id(title) else title,
        "title": title,
        "versions": {"chaostoolkit-lib": journal.get("chaoslib-version")},
        "experiment_sha256": hash_of(_as_it_was(experiment)),
        "configuration": _literals(experiment.get("configuration")),
        "target": None,
        "origin": {"operator": "", "host": text(journal.get("node")), "git": None},
        "objectives": {},
        "planned": _planned(experiment),
        "dry": experiment.get("dry"),
    }
    steps = [_ended(step, phase, began) for phase, step in _steps(journal)]
    stopped = [_stopped(journal, began)] if journal.get("status") in ("interrupted", "aborted") else []
    return [opened, *steps, *stopped, {"event": JOURNAL_ENDED, **_at(ended, began)}]


def findings_of(journal: Journal) -> list[Finding]:
    """Return findings on a journal beyond its steps.

    Chaos Toolkit's own verdict counts if it is bad, never if it is good: it reports "completed" despite a failed
    action, a failed rollback, or an outage that ended in time.
    """
    status, deviated = text(journal.get("status")), journal.get("deviated")
    found = [finding(REST, _rests_on(journal), FILE, verdict=TOLD)]
    steps = [step for _, step in _steps(journal)]
    explained = any(step.get("status") == "failed" or step.get("tolerance_met") is False for step in steps)
    if deviated is True and not explained:
        found.append(finding("check-missed", sentence("Chaos Toolkit says that the steady state deviated"), FILE))
    if status == "failed" and not explained:
        found.append(finding("check-missed", sentence("Chaos Toolkit says that the experiment failed"), FILE))
    if not any(isinstance(step.get("tolerance_met"), bool) for step in steps):
        found.append(finding("nothing-checked", sentence("no steady-state hypothesis was checked"), FILE))
    if _moment(journal.get("end")) is None:
        found.append(finding("history-broken", sentence("the journal has no end"), FILE))
    return found


def _rests_on(journal: Journal) -> Sentence:
    method = sequence(mapping(journal.get("experiment")).get("method"))
    ignored = [text(one.get("name")) for one in map(mapping, method) if "tolerance" in one]
    steps = [text(step.get("status")) or "interrupted" for _, step in _steps(journal)]
    rests = sentence(
        "this rests on Chaos Toolkit's journal alone (status {status}, {deviated}; {steps} steps, {missed} of them not "
        "succeeded); nothing was measured",
        status=text(journal.get("status")),
        deviated=sentence("deviated") if journal.get("deviated") else sentence("not deviated"),
        steps=len(steps),
        missed=sum(one != "succeeded" for one in steps),
    )
    if not ignored:
        return rests
    unchecked = sentence("Chaos Toolkit does not check the tolerances of the method: {activities}", activities=ignored)
    return together((rests, unchecked))


def _steps(journal: Journal) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each step with its phase."""
    states = mapping(journal.get("steady_states"))
    yield from _checked(states, "before")
    yield from (("method", mapping(one)) for one in sequence(journal.get("run")))
    yield from _checked(states, "during")
    yield from _checked(states, "after")
    yield from (("rollbacks", mapping(one)) for one in sequence(journal.get("rollbacks")))


def _checked(states: Mapping[str, Any], when: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = states.get(when)
    for state in sequence(found) if when == "during" else [found]:
        yield from ((_STATES[when], mapping(one)) for one in sequence(mapping(state).get("probes")))


def _ended(step: Mapping[str, Any], phase: str, began: datetime | None) -> Event:
    activity = mapping(step.get("activity"))
    provider, status = mapping(activity.get("provider")), text(step.get("status"))
    failed = status == "failed"
    return {
        "event": "activity-ended",
        **_at(_moment(step.get("end")), began),
        "activity": text(activity.get("name")),
        "type": activity.get("type"),
        "phase": phase,
        "module": provider.get("module"),
        "func": provider.get("func"),
        "duration_s": number(step.get("duration")),
        "status": status if status in ("succeeded", "failed") else "interrupted",
        "output": step.get("output"),
        "error": _error(step) if failed else "",
        "error_kind": "",
        "tolerance": activity.get("tolerance"),
        "tolerance_met": None if failed else answer(step.get("tolerance_met")),
    }


def _error(step: Mapping[str, Any]) -> str:
    """Return the last line of the traceback, without the name of Chaos Toolkit's exception."""
    exception = step.get("exception")
    lines = [one for one in sequence(exception) if isinstance(one, str)] or [text(exception)]
    return _ERROR.sub("", lines[-1].strip()) or "no reason was given"


def _stopped(journal: Journal, began: datetime | None) -> Event:
    why = sentence("Chaos Toolkit says {status}", status=text(journal.get("status")))
    return {
        "event": "interrupted",
        **_at(_moment(journal.get("end")), began),
        "signal": why,
        "phase": "the experiment ran",
    }


def _planned(experiment: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the activities that the experiment plans; the journal does not record options of the command line."""
    runtime = mapping(experiment.get("runtime"))
    checked, rolled_back = (mapping(runtime.get(name)).get("strategy") for name in ("hypothesis", "rollbacks"))
    probes = _names(mapping(experiment.get("steady-state-hypothesis")).get("probes"))
    return {
        "steady-state-before": [] if checked in ("after-method-only", "during-method-only") else probes,
        "method": _names(experiment.get("method")),
        "steady-state-after": [] if checked in ("before-method-only", "during-method-only") else probes,
        "rollbacks": [] if rolled_back in ("never", "deviated") else _names(experiment.get("rollbacks")),
    }


def _names(activities: Any) -> list[str]:
    return [text(one.get("name") or one.get("ref")) for one in map(mapping, sequence(activities))]


def _literals(configuration: Any) -> dict[str, Any]:
    """Return the literal variables: for a variable read from elsewhere the journal has its source, not its value."""
    return {name: value for name, value in mapping(configuration).items() if not isinstance(value, Mapping)}


def _as_it_was(experiment: Mapping[str, Any]) -> Any:
    """Return the experiment as it was before its run.

    Chaos Toolkit writes into the experiment while it runs: the kind of dry run, and into a tolerance that is a probe
    the value that it checked.
    """
    return _without_values({name: value for name, value in experiment.items() if name != "dry"})


def _without_values(value: Any) -> Any:
    if isinstance(value, Mapping):
        known = {name: _without_values(one) for name, one in value.items()}
        tolerance = mapping(known.get("tolerance"))
        arguments = mapping(mapping(tolerance.get("provider")).get("arguments"))
        if tolerance.get("type") == "probe" and "value" in arguments:
            rest = {name: one for name, one in arguments.items() if name != "value"}
            known["tolerance"] = {**tolerance, "provider": {**tolerance["provider"], "arguments": rest}}
        return known
    return [_without_values(one) for one in value] if isinstance(value, list) else value


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _at(moment: datetime | None, began: datetime | None) -> dict[str, Any]:
    """Return the fields of a time as a history writes them; empty when it is unknown."""
    if moment is None or began is None:
        return {}
    at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "monotonic_s": round((moment - began).total_seconds(), 4)}
