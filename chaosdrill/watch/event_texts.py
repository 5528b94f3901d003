"""Events of a drill as one-line messages; unimportant events have none."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.terminal_text import one_line

LONGEST = 200
Event = Mapping[str, Any]


def in_words(event: Event) -> str:
    """Return an event as one line for a terminal; empty for an unimportant one."""
    name = text(event.get("event"))
    said = _WORDS[name](event) if name in _WORDS else ""
    return single_line(said)


def single_line(said: str, longest: int = LONGEST) -> str:
    """Return untrusted text as one line of limited length."""
    line = one_line(said[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _opened(event: Event) -> str:
    title, operator = text(event.get("title")), text(mapping(event.get("origin")).get("operator"))
    return f"drill opened: {title}" + (f" (by {operator})" if operator else "")


def _target(event: Event) -> str:
    return f"target {text(event.get('target'))} is open, scale {number(event.get('scale')) or 1:g}"


def _step_ended(event: Event) -> str:
    name, seconds = text(event.get("activity")), number(event.get("duration_s"))
    took = f" ({seconds:.1f} s)" if seconds is not None else ""
    if event.get("status") != "succeeded":
        return f"{text(event.get('status')) or 'failed'}: {name}{took}: {text(event.get('error'))}"
    if event.get("tolerance_met") is False:
        return f"missed: {name}{took}: {_json(event.get('output'))}, wanted {_json(event.get('tolerance'))}"
    return f"done: {name}{took}"


def _ended(event: Event) -> str:
    seconds = number(event.get("seconds"))
    took = f" after {seconds:.1f} s" if seconds is not None else ""
    return f"state machine ended {text(event.get('status'))}{took}"


def _effect(event: Event) -> str:
    return "the fault landed" if event.get("landed") is True else "the fault did not land"


def _settlement(event: Event) -> str:
    if event.get("grows") is True:
        return "WRITES ARE SETTLED MORE SLOWLY THAN THEY ARE SENT"
    lag_s = number(event.get("lag_s"))
    return "no write was settled" if lag_s is None else f"writes are settled within {lag_s:.1f} s"


def _read_back(event: Event) -> str:
    lost = number(event.get("lost"))
    known = f"{lost:g} lost" if lost is not None else f"nobody knows what was lost: {text(event.get('why'))}"
    return f"writes read back {text(event.get('label'))}: {known} of {number(event.get('read_back')) or 0:g}"


def _tripped(event: Event) -> str:
    return f"SAFEGUARD {text(event.get('safeguard'))} tripped: {text(event.get('why'))}"


def _asked(event: Event) -> str:
    question = text(event.get("question"))
    within_s = number(event.get("within_s")) or 0
    name = text(event.get("activity"))
    return f"WAITS FOR APPROVAL ({within_s:g} s at most): {name}{f': {question}' if question else ''}"


def _steady(event: Event) -> str:
    return f"the steady state {'holds' if event.get('met') is True else 'does not hold'} after the method"


def _closed(event: Event) -> str:
    reasons = "; ".join(text(one) for one in sequence(event.get("reasons")))
    return f"closed: {text(event.get('verdict')).upper()}" + (f": {reasons}" if reasons else "")


def _why(before: str) -> Callable[[Event], str]:
    return lambda event: f"{before}: {text(event.get('why'))}"


def _just(said: str) -> Callable[[Event], str]:
    return lambda _: said


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)[:LONGEST]
    except (ValueError, RecursionError):
        return "something"


_WORDS: Mapping[str, Callable[[Event], str]] = {
    "drill-opened": _opened,
    "target-opened": _target,
    "phase": lambda event: f"phase: {text(event.get('phase'))}",
    "activity-started": lambda event: f"begins: {text(event.get('activity'))}",
    "activity-ended": _step_ended,
    "region-state": lambda event: f"region state: {text(event.get('state'))}",
    "fault-started": _just("the fault was started"),
    "fault-running": _just("the fault is in force"),
    "fault-effect": _effect,
    "fault-healed": _just("the fault is healed"),
    "execution-started": lambda event: f"state machine started: {text(event.get('what'))}",
    "execution-ended": _ended,
    "load-started": lambda event: f"load runs: {number(event.get('users')) or 0:g} users",
    "load-stopping": _just("load is stopped"),
    "heartbeat-started": _just("heartbeat beats"),
    "settlement-measured": _settlement,
    "heartbeat-burst": _just("more writes around the transition"),
    "heartbeat-stopped": _just("heartbeat is stopped"),
    "read-back": _read_back,
    "steady-state-after-method": _steady,
    "safeguard-tripped": _tripped,
    "approval-requested": _asked,
    "approval-granted": lambda event: f"approved: {text(event.get('activity'))}, by {text(event.get('by'))}",
    "approval-refused": lambda event: f"NOT APPROVED: {text(event.get('activity'))}: {text(event.get('why'))}",
    "interrupted": lambda event: f"INTERRUPTED by {text(event.get('signal'))}",
    "undo-handed-over": lambda event: f"{text(event.get('undo'))} is left to {text(event.get('to'))}",
    "target-lost": _why("THE TARGET IS LOST"),
    "target-hurried": _just("the lab waits no longer than it must"),
    "watch-failed": lambda event: f"the watch over {text(event.get('watch'))} is blind: {text(event.get('why'))}",
    "lab-broken": _just("the lab was broken on purpose"),
    "refused": _why("REFUSED"),
    "crashed": _why("chaosdrill failed"),
    "answer-lost": lambda event: f"done, though the answer was lost: {text(event.get('what'))}",
    "end-state": lambda event: f"end: {text(event.get('state'))}, wanted {text(event.get('expected'))}",
    "drill-closed": _closed,
}
