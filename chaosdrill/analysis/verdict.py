"""What a drill proved, judged from its history alone.

- ``refused``: it never started; ``interrupted``: someone stopped it;
- ``failed``: the hypothesis, a check, an objective or the way back was missed;
- ``invalid``: it proved nothing: the fault did not land, the load did not run, a probe was blind;
- ``passed``: everything that was planned was done, seen, and as it should be. Nothing less gives this verdict.

When several hold, the first of this list names the verdict and every reason is kept.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.outage import ClientOutage

Event = Mapping[str, Any]
Finding = tuple[str, str]  # verdict it asks for, reason
LEAST_OPEN_OUTAGE_S = 1.0  # shorter, and the stop of the load itself may be what was seen
GRAVITY = ("refused", "interrupted", "failed", "invalid")


@dataclass(frozen=True)
class Verdict:
    """``word`` is one of passed, failed, invalid, refused, interrupted; ``reasons`` say why, the gravest first."""

    word: str
    reasons: tuple[str, ...]


def judge(events: Sequence[Event], outage: ClientOutage | None) -> Verdict:
    """Judge a drill.

    :param events: its history, oldest first.
    :param outage: what clients went through; None when it was not measured.
    :returns: the verdict with its reasons.
    """
    findings = [finding for rule in RULES for finding in rule(events)]
    findings += _still_out(outage)
    findings += _objectives_missed(events, outage)
    if any(_named(events, "target-lost")):  # what failed may have failed for that alone
        findings = [("invalid" if word == "failed" else word, reason) for word, reason in findings]
    if not findings:
        findings += _left_out(events)
    if not findings:
        return Verdict("passed", (_what_was_proved(events),))
    ordered = sorted(findings, key=lambda finding: GRAVITY.index(finding[0]))
    return Verdict(ordered[0][0], tuple(dict.fromkeys(reason for _, reason in ordered)))


def _refusal(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "refused"):
        yield "refused", event["why"]


def _interruption(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "interrupted"):
        yield "interrupted", f"{event['signal']} while {event['phase']}"


def _crash(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "crashed"):
        yield "invalid", f"chaosdrill itself failed in {event['where']}: {event['why']}"
    for event in _named(events, "target-lost"):
        yield "invalid", str(event["why"])
    if not list(_named(events, "drill-opened", "refused", "interrupted", "crashed")):
        yield "invalid", "the drill was never opened"


def _safeguards(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "safeguard-tripped"):
        yield ("invalid" if event["unreadable"] else "failed"), f"safeguard {event['safeguard']}: {event['why']}"


def _activities(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "activity-ended"):
        if finding := _of_activity(event):
            yield finding


def _of_activity(event: Event) -> Finding | None:
    what = f"{event['phase']}: {event['activity']}"
    if event["status"] == "interrupted":
        return None  # why it was is another event
    if event["status"] != "succeeded":
        return _word_for_failure(event), f"{what} failed: {event.get('error') or 'no reason was given'}"
    if event.get("tolerance_met") is False:
        return _word_for_miss(event), f"{what} is {event.get('output')!r}, expected {_in_words(event.get('tolerance'))}"
    return None


def _word_for_failure(event: Event) -> str:
    if event["phase"] == "rollbacks":
        return "failed"  # the way back was missed, or nobody can tell
    if event["phase"] in ("setup", "steady-state-before") or _is_fault(event):
        return "invalid"
    return "invalid" if event.get("error_kind") == "CannotSee" else "failed"


def _word_for_miss(event: Event) -> str:
    if event["phase"] == "steady-state-before":
        return "refused"
    return "invalid" if event["phase"] == "method" and _is_fault(event) else "failed"


def _is_fault(event: Event) -> bool:
    return str(event.get("module")).startswith("chaosdrill.packet_loss.")


def _end_state(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "end-state"):
        if event["state"] != event["expected"]:
            yield "failed", f"at the end the region state is {event['state']}, expected {event['expected']}"


def _still_out(outage: ClientOutage | None) -> Iterator[Finding]:
    for one in outage.outages if outage else ():
        if not one.ended and one.seconds >= LEAST_OPEN_OUTAGE_S:
            yield "failed", f"clients were still without service when the load was stopped, after {one.seconds:.1f} s"


def _objectives_missed(events: Sequence[Event], outage: ClientOutage | None) -> Iterator[Finding]:
    rto_s = _rto_s(events)
    if rto_s is None or not _load_ran(events):
        return
    if outage is None:
        yield "invalid", f"the client outage could not be measured, so rto_s {rto_s:g} cannot be judged"
    elif outage.longest_s > rto_s:
        yield "failed", f"clients were {outage.longest_s:.1f} s without service, the objective rto_s is {rto_s:g} s"


def _left_out(events: Sequence[Event]) -> Iterator[Finding]:
    opened = _opened(events)
    if dry := opened.get("dry"):
        yield "invalid", f"a dry run (--dry {dry}) leaves out what it should prove"
    if (rto_s := _rto_s(events)) is not None and not _load_ran(events):
        yield "invalid", f"no load was started, so rto_s {rto_s:g} cannot be judged"
    succeeded = (event for event in _named(events, "activity-ended") if event["status"] == "succeeded")
    done = Counter((event["phase"], event["activity"]) for event in succeeded)
    planned = Counter((phase, name) for phase, names in (opened.get("planned") or {}).items() for name in names)
    for (phase, name), times in planned.items():
        if done[phase, name] < times:
            yield "invalid", f"{phase}: {name} was not run"


def _rto_s(events: Sequence[Event]) -> float | None:
    found: float | None = (_opened(events).get("objectives") or {}).get("rto_s")
    return found


def _load_ran(events: Sequence[Event]) -> bool:
    return any(_named(events, "load-started"))


def _what_was_proved(events: Sequence[Event]) -> str:
    checks = sum(event.get("tolerance_met") is True for event in _named(events, "activity-ended"))
    return f"every planned step was done and all {checks} checks held"


def _in_words(tolerance: Any) -> str:
    if isinstance(tolerance, Mapping):
        kind = str(tolerance.get("type"))
        return f"{kind} {tolerance.get('pattern', tolerance.get(kind, ''))}".strip()
    return repr(tolerance)


def _opened(events: Sequence[Event]) -> Event:
    return next(_named(events, "drill-opened"), {})


def _named(events: Sequence[Event], *names: str) -> Iterator[Event]:
    return (event for event in events if event["event"] in names)


RULES: tuple[Callable[[Sequence[Event]], Iterator[Finding]], ...] = (
    _refusal,
    _interruption,
    _activities,
    _safeguards,
    _end_state,
    _crash,
)
