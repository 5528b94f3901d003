"""Reading of a stored run's history, with findings on it."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.run import at_ns
from chaosdrill.analysis.untrusted_json import number
from chaosdrill.history.run_directory import HISTORY
from chaosdrill.history.seal import NO_SEAL, SEAL, broken_seals
from chaosdrill.messages import Sentence, as_it_is, sentence, together
from chaosdrill.runs.documents import read_regular
from chaosdrill.runs.imports.imported import events_of, findings_of, read_imported
from chaosdrill.runs.jsonl import json_lines

CLOCK_SET_S = 1.0
LISTED = 3

Events = list[dict[str, Any]]


def read_events(directory: Path, still_open: bool) -> tuple[Events, list[Finding]]:
    """Return the events, oldest first, and findings on the history; for an imported run those of its journal.

    :param still_open: the history has no end yet.
    """
    if (journal := read_imported(directory)) is not None:
        return events_of(journal), findings_of(journal)
    path = directory / HISTORY
    try:
        events, bad, torn = json_lines(path)
        lines = read_regular(path, most=sys.maxsize).split(b"\n")[:-1]
    except OSError as error:
        return [], [_broken(sentence("it cannot be read: {why}", why=as_it_is(error)))]
    problems = [_broken(sentence("it is empty"))] if not events else []
    if torn:
        problems.append(_broken(sentence("its last line was cut off")))
    if bad:
        problems.append(_broken(sentence("{n} lines are no events", n=bad)))
    problems += _of_seals(lines)
    problems += _of_order(events)
    if events and not still_open:
        problems += _of_end(events)
    return [_without_seal(event) for event in events if isinstance(event.get("event"), str)], problems


def run_id_of(events: Sequence[dict[str, Any]]) -> str:
    """Return the run id in a history; empty when it has none."""
    return next((str(event.get("run_id")) for event in events if event["event"] == "drill-opened"), "")


def _of_seals(lines: Sequence[bytes]) -> list[Finding]:
    broken = list(broken_seals(lines))
    if not broken:
        return []
    if len(broken) == len(lines) and all(why == NO_SEAL for _, why in broken):
        text = sentence("none of its lines has a seal: nobody can tell whether it is as it was written")
        return [_broken(text)]
    told = [sentence("line {number} {why}", number=number, why=why) for number, why in broken[:LISTED]]
    left = len(broken) - LISTED
    return [_broken(together([*told, *([sentence("{n} more", n=left)] if left > 0 else [])]))]


def _of_order(events: Events) -> list[Finding]:
    """Check the clocks: the monotonic clock never goes back; a wall clock that was set is reported."""
    steady = [steady_s for event in events if (steady_s := number(event.get("monotonic_s"))) is not None]
    problems = []
    if any(after < before for before, after in pairwise(steady)):
        problems.append(_broken(sentence("its events are not in the order of their times")))
    walls = [
        moment / 1e9 - steady_s
        for event in events
        if (moment := at_ns(event)) is not None and (steady_s := number(event.get("monotonic_s"))) is not None
    ]
    if walls and max(walls) - min(walls) > CLOCK_SET_S:
        text = sentence(
            "this machine's clock was set by {seconds:.1f} s while the drill ran", seconds=max(walls) - min(walls)
        )
        problems.append(finding("clock-off", text, as_it_is(HISTORY), verdict="invalid"))
    return problems


def _of_end(events: Events) -> list[Finding]:
    if events[-1].get("event") == "drill-closed":
        return []
    if any(event.get("event") == "drill-closed" for event in events):
        return [_broken(sentence("something follows its end"))]
    return [_broken(sentence("it has no end: the drill was killed, or its last lines are missing"))]


def _without_seal(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != SEAL}


def _broken(why: Sentence) -> Finding:
    return finding("history-broken", sentence("history: {why}", why=why), as_it_is(HISTORY))
