"""The verdict of a drill, judged from its history alone.

- ``refused``: it never started.
- ``interrupted``: someone stopped it.
- ``failed``: the hypothesis, a check, an objective or the return to the end state was missed.
- ``invalid``: it proved nothing: the fault did not land, the load did not run, a probe could not read its value.
- ``passed``: everything that was planned was done and observed as intended. Nothing less gives this verdict.

If several apply, the first in this list is the verdict, and every reason is recorded.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaosdrill.analysis.findings import GRAVITY, PASSED, Finding, finding, word_of
from chaosdrill.analysis.load_outage import ClientOutage
from chaosdrill.analysis.states import state_in_words
from chaosdrill.errors import could_not_see
from chaosdrill.messages import Name, Sentence, as_it_is, sentence, sentence_at

Event = Mapping[str, Any]
LEAST_OPEN_OUTAGE_S = 1.0  # a shorter one may be caused by the stop of the load


@dataclass(frozen=True)
class Verdict:
    """The verdict of a drill.

    :param word: passed, failed, invalid, refused or interrupted.
    :param reasons: the reasons, the gravest first.
    """

    word: str
    reasons: tuple[Sentence, ...]


MEASURING = ("chaosdrill.heartbeat.", "chaosdrill.load.")  # modules whose steps change no region
TOUCHING = ("setup", "method")  # stages whose steps are undone by the rollbacks
WAITING = "chaosdrill.automatic_failover."  # its probes fail when the awaited event does not happen


def judge(events: Sequence[Event], outage: ClientOutage | None) -> Verdict:
    """Judge a drill.

    :param events: its history, oldest first.
    :param outage: the outages that clients experienced; None when they were not measured.
    :returns: the verdict with its reasons.
    """
    found = [*of_history(events), *of_outage(events, outage)]
    return verdict_of(complete(events, found), what_was_proved(events))


def verdict_of(known: Sequence[Finding], proved: Sentence) -> Verdict:
    """Return the verdict of these findings.

    :param known: all of them, as :func:`complete` returns them.
    :param proved: the reason of a passed verdict.
    """
    word = word_of(tuple(known))
    if word == PASSED:
        return Verdict(word, (proved,))
    ordered = sorted((one for one in known if one.verdict in GRAVITY), key=lambda one: GRAVITY.index(one.verdict))
    return Verdict(word, tuple(dict.fromkeys(one.text for one in ordered)))


def complete(events: Sequence[Event], found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return all findings of a drill.

    Failures after the loss of the target become invalid. If the verdict would be passed, what was left out is added.
    Unless the target was lost, rollbacks that did not run are added.
    """
    known = tuple(found)
    if any(_named(events, "target-lost")):  # failures may have been caused by that alone
        known = tuple(replace(one, verdict="invalid") if one.verdict == "failed" else one for one in known)
    if word_of(known) == PASSED:
        known += tuple(_left_out(events))
    if not any(_named(events, "target-lost")):
        known += tuple(_not_undone(events))
    return known


def of_history(events: Sequence[Event]) -> Iterator[Finding]:
    """Yield the findings of the history alone."""
    for rule in RULES:
        yield from rule(events)


def of_outage(events: Sequence[Event], outage: ClientOutage | None) -> Iterator[Finding]:
    """Yield the findings on the load generator's users: an outage that did not end, or was longer than ``rto_s``."""
    yield from still_out(outage)
    yield from objectives_missed(events, outage)


def _refusal(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "refused"):
        yield finding("refused", sentence("{refusal}", refusal=sentence_at(event, "why")), codes=event.get("codes"))


def _interruption(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "interrupted"):
        stopped = {"signal": as_it_is(event.get("signal")), "stage": Name("stage", str(event.get("phase")))}
        text = sentence("interrupted (stage: {stage}): {signal}", **stopped)
        if by := event.get("by"):
            why = sentence_at(event, "why")
            text = sentence("{interruption}, from {sender}: {why}", interruption=text, sender=str(by), why=why)
        yield finding("interrupted", text)


def _approvals(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "approval-refused"):
        refused = {"activity": str(event.get("activity")), "why": sentence_at(event, "why")}
        yield finding("approval-refused", sentence("{activity} was not begun: {why}", **refused))


def _crash(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "crashed"):
        where, why = Name("stage", str(event.get("where"))), sentence_at(event, "why")
        text = sentence("chaosdrill itself failed in {stage}: {why}", stage=where, why=why)
        yield finding("crashed", text, codes=event.get("codes"))
    for event in _named(events, "target-lost"):
        yield finding("target-lost", sentence("{how_lost}", how_lost=sentence_at(event, "why")))
    if not list(_named(events, "drill-opened", "refused", "interrupted", "crashed")):
        yield finding("not-opened", sentence("the drill was never opened"))


def _safeguards(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "safeguard-tripped"):
        word = "invalid" if event.get("unreadable") else "failed"
        tripped = {"name": str(event.get("safeguard")), "why": sentence_at(event, "why")}
        yield finding("safeguard-tripped", sentence("safeguard {name}: {why}", **tripped), verdict=word)


def _lost_lease(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "lease-lost"):
        stage, why = Name("stage", str(event.get("phase"))), sentence_at(event, "why")
        yield finding("lease-lost", sentence("the lease was lost (stage: {stage}): {why}", stage=stage, why=why))


def _left_behind(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "swept"):
        for one in event.get("left") or ():
            left = {"part": str(one.get("part")), "what": as_it_is(one.get("what")), "name": str(one.get("id"))}
            by_hand = as_it_is(one.get("remove_by_hand"))
            yield finding(
                "left-behind", sentence("left of {part}: {what} ({name}): {by_hand}", **left, by_hand=by_hand)
            )


def _activities(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "activity-ended"):
        if found := _of_activity(event):
            yield found


def _of_activity(event: Event) -> Finding | None:
    what = {"stage": Name("stage", str(event.get("phase"))), "activity": str(event.get("activity"))}
    status = event.get("status")
    if status == "interrupted":
        return None  # another event has the reason
    if status != "succeeded":
        why = as_it_is(event["error"]) if event.get("error") else sentence("no reason was given")
        text = sentence("{stage}: {activity} failed: {why}", **what, why=why)
        return finding("step-failed", text, verdict=_word_for_failure(event), codes=event.get("error_codes"))
    if event.get("tolerance_met") is False:
        values = {"output": repr(event.get("output")), "expected": _in_words(event.get("tolerance"))}
        text = sentence("{stage}: {activity} is {output}, expected {expected}", **what, **values)
        return finding(_name_of_miss(event), text, verdict=_word_for_miss(event))
    return None


def _word_for_failure(event: Event) -> str:
    measures = str(event.get("module")).startswith(MEASURING)
    unreadable = _could_not_see(event)
    if event.get("phase") == "rollbacks":  # the undo failed, or is unknown; a measurement undoes nothing
        return "invalid" if unreadable and measures else "failed"
    if event.get("phase") in ("setup", "steady-state-before") or _is_fault(event) or measures:
        return "invalid"
    return "invalid" if unreadable else "failed"


def _could_not_see(event: Event) -> bool:
    module = str(event.get("module"))
    waits = module.startswith(WAITING) or not module.startswith("chaosdrill.")
    return could_not_see(str(event.get("error_kind") or ""), event.get("type") == "probe", waits)


def _word_for_miss(event: Event) -> str:
    if event.get("phase") == "steady-state-before":
        return "refused"
    return "invalid" if event.get("phase") == "method" and _is_fault(event) else "failed"


def _name_of_miss(event: Event) -> str:
    """Return the name of the finding: a missed tolerance of a fault's own probe shows that the fault did not land."""
    return "fault-without-effect" if event.get("phase") == "method" and _is_fault(event) else "check-missed"


def _is_fault(event: Event) -> bool:
    return str(event.get("module")).startswith("chaosdrill.packet_loss.")


def _end_state(events: Sequence[Event]) -> Iterator[Finding]:
    for event in _named(events, "end-state"):
        if event.get("state") != event.get("expected"):
            states = {name: state_in_words(str(event.get(name))) for name in ("state", "expected")}
            text = sentence("at the end the region state is {state}, expected {expected}", **states)
            yield finding("end-state-missed", text)


def still_out(outage: ClientOutage | None) -> Iterator[Finding]:
    """Find users of the load generator who were without service until the load was stopped."""
    for one in outage.outages if outage else ():
        if not one.ended and one.seconds >= LEAST_OPEN_OUTAGE_S:
            text = sentence(
                "clients were still without service when the load was stopped, after {seconds:.1f} s",
                seconds=one.seconds,
            )
            yield finding("still-unavailable", text)


def objectives_missed(events: Sequence[Event], outage: ClientOutage | None) -> Iterator[Finding]:
    """Find that the load generator's users were without service for longer than ``rto_s``."""
    rto_s = _rto_s(events)
    if rto_s is None or not _load_ran(events):
        return
    if outage is None:
        text = sentence("the client outage could not be measured, so rto_s {rto_s:g} cannot be judged", rto_s=rto_s)
        yield finding("objective-not-judged", text)
    elif outage.longest_s > rto_s:
        text = sentence(
            "clients were {seconds:.1f} s without service, the objective rto_s is {rto_s:g} s",
            seconds=outage.longest_s,
            rto_s=rto_s,
        )
        yield finding("unavailable-too-long", text)


def _left_out(events: Sequence[Event]) -> Iterator[Finding]:
    opened = _opened(events)
    if dry := opened.get("dry"):
        yield finding("dry-run", sentence("a dry run (--dry {dry}) leaves out what it should prove", dry=str(dry)))
    if (rto_s := _rto_s(events)) is not None and not _load_ran(events):
        text = sentence("no load was started, so rto_s {rto_s:g} cannot be judged", rto_s=rto_s)
        yield finding("objective-not-judged", text)
    done = _ended(events, "succeeded")
    for (phase, name), times in _planned(events).items():
        if phase != "rollbacks" and done[phase, name] < times:
            left_out = {"stage": Name("stage", phase), "activity": name}
            yield finding("step-not-run", sentence("{stage}: {activity} was not run", **left_out))


def _not_undone(events: Sequence[Event]) -> Iterator[Finding]:
    """Find each rollback that did not run to its end although its step was begun."""
    undoes = _opened(events).get("undoes") or {}
    begun = _begun(events)
    done, cut = _ended(events, "succeeded", "failed"), _ended(events, "interrupted")
    for (phase, name), times in _planned(events).items():
        if phase != "rollbacks" or done[phase, name] >= times or not begun:
            continue
        left_out = {"stage": Name("stage", phase), "activity": name}
        if cut[phase, name]:
            text = sentence("{stage}: {activity} did not end", **left_out)
        else:
            text = sentence("{stage}: {activity} was not run", **left_out)
        if (step := undoes.get(name)) is None:
            yield finding("rollback-not-run", text)
        elif step in begun:
            yield finding("rollback-not-run", _with_step(text, step, begun[step]))


def _with_step(text: Sentence, step: str, begun: Event) -> Sentence:
    users = (begun.get("arguments") or {}).get("users")
    if users is None or begun.get("func") not in ("start_load", "change_load"):
        return sentence("{problem}: {step} is not undone", problem=text, step=step)
    return sentence("{problem}: {step} ({users} users) is not undone", problem=text, step=step, users=str(users))


def _begun(events: Sequence[Event]) -> Mapping[str, Event]:
    """Return the first event of each step of setup and method that may have changed something, by name."""
    steps = [event for event in _named(events, "activity-started", "activity-ended") if event.get("phase") in TOUCHING]
    idle = {event.get("activity") for event in steps if _changed_nothing(event)}
    named = ((str(event.get("activity")), event) for event in reversed(steps))
    return {name: event for name, event in named if name not in idle}


def _changed_nothing(ended: Event) -> bool:
    output = ended.get("output")
    return ended.get("error_kind") in ("BadInput", "Refused") or (
        isinstance(output, Mapping) and output.get("done") is False
    )


def _ended(events: Sequence[Event], *statuses: str) -> Counter[tuple[str, str]]:
    ended = (event for event in _named(events, "activity-ended") if event.get("status") in statuses)
    return Counter((str(event.get("phase")), str(event.get("activity"))) for event in ended)


def _planned(events: Sequence[Event]) -> Counter[tuple[str, str]]:
    planned = _opened(events).get("planned") or {}
    return Counter((str(phase), str(name)) for phase, names in planned.items() for name in names)


def _rto_s(events: Sequence[Event]) -> float | None:
    found: float | None = (_opened(events).get("objectives") or {}).get("rto_s")
    return found


def _load_ran(events: Sequence[Event]) -> bool:
    return any(_named(events, "load-started"))


def what_was_proved(events: Sequence[Event]) -> Sentence:
    """Return a sentence for a drill that passed."""
    checks = sum(event.get("tolerance_met") is True for event in _named(events, "activity-ended"))
    return sentence("every planned step was done and all {checks} checks held", checks=checks)


def _in_words(tolerance: Any) -> str:
    if isinstance(tolerance, Mapping):
        kind = str(tolerance.get("type"))
        return f"{kind} {tolerance.get('pattern', tolerance.get(kind, ''))}".strip()
    return repr(tolerance)


def _opened(events: Sequence[Event]) -> Event:
    return next(_named(events, "drill-opened"), {})


def _named(events: Sequence[Event], *names: str) -> Iterator[Event]:
    return (event for event in events if event.get("event") in names)


RULES: tuple[Callable[[Sequence[Event]], Iterator[Finding]], ...] = (
    _refusal,
    _interruption,
    _approvals,
    _activities,
    _safeguards,
    _lost_lease,
    _end_state,
    _left_behind,
    _crash,
)
