"""The transitions of a drill from region to region: each failover and failback, what made it, and when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.region_observations import RESTORING, FactsChange, at, facts_changes
from chaosdrill.analysis.run import Event, Run, at_ns, moment_ns
from chaosdrill.messages import Name

MOVES = ("set_stop_flag", "set_routing", "switch_over_database", "fail_over_database")
FAIL_OVER, FAIL_BACK = "fail-over", "fail-back"


@dataclass(frozen=True)
class TransitionStep:
    """A step of a transition: a state of the state machine, or an activity, with its start and end."""

    name: str
    since_ns: int
    until_ns: int | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Leg:
    """One transition. Times are UTC nanoseconds by the recorder's clock.

    :param what: fail-over or fail-back.
    :param until_ns: the beginning of the next transition, or the end of the history.
    :param source: the region that was left; empty: unknown.
    :param destination: the region that was entered.
    :param status: the status of the execution: SUCCEEDED, FAILED, …; DONE for single actions; empty when no end was
        recorded.
    :param steps: its steps in order.
    :param seconds: the duration that the execution reports; None when it reports none.
    :param restored_ns: when a rollback began to restore service that the transition had not; None when none did.
    """

    what: str
    since_ns: int
    until_ns: int
    source: str
    destination: str
    status: str
    steps: tuple[TransitionStep, ...]
    seconds: float | None = None
    started_after_ns: int | None = None
    restored_ns: int | None = None

    @property
    def effects_until_ns(self) -> int:
        """Until when a change can be an effect of this transition, and not of a rollback that restores service."""
        return self.until_ns if self.restored_ns is None else self.restored_ns

    @property
    def called(self) -> Name:
        """Its name in sentences."""
        return Name("movement", self.what)

    @property
    def succeeded(self) -> bool:
        """Whether the state machine or the actions reported success."""
        return self.status in ("SUCCEEDED", "DONE")

    @property
    def by_machine(self) -> bool:
        """Whether a state machine made it."""
        return self.status != "DONE"

    @property
    def ended_ns(self) -> int:
        """When the last step ended, as far as recorded."""
        return max((step.until_ns or step.since_ns for step in self.steps), default=self.since_ns)


@dataclass
class _Begun:
    what: str
    since_ns: int
    after_ns: int | None
    status: str
    steps: list[TransitionStep]
    seconds: float | None = None


def legs(run: Run) -> tuple[Leg, ...]:
    """Return the transitions of a drill in order."""
    begun = sorted([*_executions(run), *_by_hand(run)], key=lambda one: one.since_ns)
    end_ns = max((moment for event in run.events if (moment := at_ns(event)) is not None), default=0)
    seen = facts_changes(run)
    ends = [*(one.since_ns for one in begun[1:]), end_ns]
    return tuple(_leg(run, one, until_ns, seen) for one, until_ns in zip(begun, ends, strict=False))


def _leg(run: Run, begun: _Begun, until_ns: int, seen: Sequence[FactsChange]) -> Leg:
    source, destination = _ends(run, begun, seen)
    what = begun.what
    if what not in (FAIL_OVER, FAIL_BACK):
        what = FAIL_BACK if destination and destination == _home(run) else FAIL_OVER
    steps = tuple(sorted(begun.steps, key=lambda step: step.since_ns))
    return Leg(
        what, begun.since_ns, max(until_ns, begun.since_ns), source, destination, begun.status, steps, begun.seconds,
        begun.after_ns, _restored_ns(run, begun.since_ns, until_ns),
    )  # fmt: skip


def _restored_ns(run: Run, since_ns: int, until_ns: int) -> int | None:
    moments = (moment for event in run.named(RESTORING) if (moment := at_ns(event)) is not None)
    return min((moment for moment in moments if since_ns <= moment < until_ns), default=None)


def _ends(run: Run, begun: _Begun, seen: Sequence[FactsChange]) -> tuple[str, str]:
    """Return source and destination of a transition.

    A failover leaves the home region; single actions leave the region that served before.
    """
    before = [look for look in seen if look.by_ns <= begun.since_ns]
    regions = next((look.regions for look in reversed(seen) if len(look.regions) == 2), ())
    source = next((look.serving for look in reversed(before) if look.serving), "")
    if begun.what and regions and (home := _home(run)) in regions:
        standby = next(name for name in regions if name != home)
        source = standby if begun.what == FAIL_BACK else home
    destination = next((name for name in regions if name != source), "") if source in regions else ""
    return source, destination


def _home(run: Run) -> str:
    return str((run.first("drill-opened").get("configuration") or {}).get("home_region") or "")


def _executions(run: Run) -> Iterator[_Begun]:
    started = {event.get("execution_arn"): at_ns(event) for event in run.named("execution-started")}
    ended = {event.get("execution_arn"): event for event in run.named("execution-ended")}
    for event in run.named("execution-starting"):
        arn, asked_ns = event.get("execution_arn"), at_ns(event)
        if asked_ns is None or (arn not in started and arn not in ended):
            continue
        end = ended.get(arn, {})
        begun_ns = moment_ns(end.get("started")) or started.get(arn) or asked_ns
        after_ns = asked_ns if event.get("what") != "automatic" else None
        yield _Begun(
            str(event.get("what")), begun_ns, after_ns, str(end.get("status") or ""), list(_states(end)),
            _number(end.get("seconds")),
        )  # fmt: skip


def _states(ended: Event) -> Iterator[TransitionStep]:
    for state in ended.get("states") or ():
        if isinstance(state, Mapping) and (entered := moment_ns(state.get("entered"))) is not None:
            yield TransitionStep(str(state.get("name")), entered, moment_ns(state.get("exited")), {})


def _by_hand(run: Run) -> Iterator[_Begun]:
    """Yield transitions by single actions: successive actions are one, but never across method and rollbacks."""
    current: _Begun | None = None
    phase = ""
    began: dict[Any, Event] = {}
    for event in run.named("activity-started", "activity-ended", "execution-starting"):
        if event["event"] == "activity-started":
            began[event.get("phase"), event.get("activity")] = event
            continue
        if event["event"] == "execution-starting" or (current is not None and event.get("phase") != phase):
            if current is not None:
                yield current
            current = None
        step = _move(event, began.get((event.get("phase"), event.get("activity"))))
        if step is not None and current is None:
            current, phase = _Begun("", step.since_ns, None, "DONE", [step]), str(event.get("phase"))
        elif step is not None and current is not None:
            current.steps.append(step)
    if current is not None:
        yield current


def _move(event: Event, begun: Event | None) -> TransitionStep | None:
    output = event.get("output")
    if event.get("func") not in MOVES or event.get("status") != "succeeded" or begun is None:
        return None
    since_ns, until_ns = at_ns(begun), at_ns(event)
    if since_ns is None or not isinstance(output, Mapping) or output.get("done") is not True:
        return None
    return TransitionStep(str(event["func"]), since_ns, until_ns, output)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


__all__ = ["FAIL_BACK", "FAIL_OVER", "Leg", "TransitionStep", "at", "legs"]
