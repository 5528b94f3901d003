"""What an occurrence's run says: its end for the ledger, and its facts for notifications."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.analysis.undo_results import NOT_UNDONE
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.coordination.store import ItemStore
from chaosdrill.errors import DrillError
from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence
from chaosdrill.gamedays.events import Entry, Notification
from chaosdrill.gamedays.notifications.run_facts import run_facts
from chaosdrill.gamedays.run_observations import observe, system_name
from chaosdrill.paths import runs_directory
from chaosdrill.runs.entries import opened_of
from chaosdrill.runs.events import read_events
from chaosdrill.runs.lookup import names_of_runs
from chaosdrill.runs.summaries import read_summary
from chaosdrill.runs.tags import tag_run

_CLOCKS_DIFFER_MS = 3_600_000  # a run's id has the time of this machine, an entry that of the ledger


def run_of(occurrence: Occurrence, since_ms: int) -> Path | None:
    """Find the run of an occurrence in the store of this machine.

    :param since_ms: when it was claimed.
    :returns: its directory; None when there is none.
    """
    runs = runs_directory()
    earliest = f"{datetime.fromtimestamp((since_ms - _CLOCKS_DIFFER_MS) / 1000, UTC):%Y%m%dT%H%M%SZ}"
    for name in sorted((one for one in names_of_runs(runs) if one >= earliest), reverse=True):
        if opened_of(runs / name).get("occurrence") == occurrence.key:
            return runs / name
    return None


def ended_entry(entry: Entry, directory: Path) -> Entry | None:
    """Return the entry of an occurrence whose run has ended.

    :param entry: of the claim.
    :param directory: of the run.
    :returns: None when the run has no verdict.
    """
    summary = read_summary(directory)
    if not summary.verdict:
        return None
    why = "; ".join(summary.reasons)
    minutes, seconds = _used(directory, summary.said)
    known = replace(
        entry,
        run=directory.name,
        verdict=summary.verdict,
        fis_minutes=minutes,
        error_seconds=seconds,
        owed=tuple(_owed(summary.said)),
    )
    if summary.verdict == "refused":
        return replace(known, outcome="refused", code=first_code(summary.said) or "refused", why=why)
    return replace(known, outcome="ran", why=why)


def _owed(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield the activities of a run whose changes were not undone."""
    for change in map(mapping, sequence(said.get("changes"))):
        if change.get("outcome") == NOT_UNDONE:
            yield text(change.get("activity"))


def first_code(said: Mapping[str, Any]) -> str:
    """Return the code of the gravest finding of a summary; empty when it has none."""
    judgement = mapping(said.get("judgement")) or said
    return next((text(mapping(one).get("code")) for one in sequence(judgement.get("findings"))), "")


def _used(directory: Path, said: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return what a run used of its budget: minutes of FIS, each begun minute counted, and seconds without service."""
    events, _ = read_events(directory, still_open=True)
    faults = [_ms(one) for one in events if one["event"] == "fault-started"]
    ends = [_ms(one) for one in events if one["event"] == "fault-healed"] or [_ms(one) for one in events[-1:]]
    minutes = sum(math.ceil(max(0, ends[-1] - began) / 60_000) for began in faults)
    figures = mapping(mapping(said.get("judgement")).get("figures"))
    return float(minutes), number(mapping(figures.get("error_s")).get("value"))


def _ms(event: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(text(event.get("at"))).timestamp() * 1000)


def file_run(calendar: Calendar, store: ItemStore, game_day: GameDay, directory: Path) -> None:
    """Give a run that has ended the tags of its game day, and record what it has found. Failing changes nothing."""
    with suppress(DrillError, OSError):
        tag_run(directory, game_day.tags)
    with suppress(DrillError, OSError):
        observe(store, system_name(calendar, game_day), directory)


def finished(entry: Entry, directory: Path) -> Iterator[Notification]:
    """Yield the notifications of a run that has ended: what was not undone, the loudest, and its verdict.

    :param entry: of :func:`ended_entry`.
    """
    facts = run_facts(directory)
    if entry.owed:
        yield Notification("rollback-failed", entry.occurrence, {**facts, "owed": list(entry.owed)})
    yield Notification("finished", entry.occurrence, facts)


def transitions(occurrence: Occurrence, run: str, events: list[dict[str, Any]]) -> Iterator[Notification]:
    """Yield a notification of each failover and failback of a run that has begun, ended or failed so far."""
    for event in events:
        func = text(event.get("func"))
        name = "failover" if func.startswith("fail_over") else "failback" if func.startswith("fail_back") else ""
        if not name or event["event"] not in ("activity-started", "activity-ended"):
            continue
        is_end = event["event"] == "activity-ended"
        state = "began" if not is_end else "ended" if event.get("status") == "succeeded" else "failed"
        detail = f"{event.get('activity')} {event.get('phase')} {state}"
        facts = {"run": run, "transition": name, "state": state, "at_ms": _ms(event), "detail": detail}
        if region := text(mapping(event.get("arguments")).get("region")):
            facts["to"] = region
        yield Notification("transition", occurrence, facts)
