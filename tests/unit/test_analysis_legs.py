"""Movements from region to region and their phases, from literal histories."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chaosdrill.analysis.client_observations import Served
from chaosdrill.analysis.phases import (
    DATABASE,
    FAULT,
    FIRST_GOOD,
    FLAG_CLOSED,
    FLAG_OPENED,
    NOTICED,
    PHASES,
    ROUTING,
    STARTED,
    SUSTAINED,
    TOLERANCE_NS,
    LegPhases,
    Phase,
    fault_of,
    holds,
    phases_of,
)
from chaosdrill.analysis.records import Beats
from chaosdrill.analysis.region_observations import FactsChange, Span
from chaosdrill.analysis.run import Run
from chaosdrill.analysis.transitions import FAIL_BACK, FAIL_OVER, Leg, TransitionStep, legs
from chaosdrill.messages import NOTHING
from tests.unit.records_rig import NS, T0, beats

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
ARN = "arn:aws:states:ap-northeast-3:123456789012:execution:FailoverStateMachine:drill-1"
Event = dict[str, Any]


def text(at_s: float) -> str:
    return datetime.fromtimestamp(T0 / NS + at_s, UTC).isoformat()


def ns(at_s: float) -> int:
    return T0 + round(at_s * NS)


def event(at_s: float, kind: str, **more: Any) -> Event:
    return {"event": kind, "at": text(at_s), **more}


def opened(home: str | None = HOME) -> Event:
    return event(0, "drill-opened", configuration={"home_region": home} if home else None)


def facts(at_s: float, serving: str, closed: tuple[str, ...] = (), on: str = "", writer: str = "") -> Event:
    """A look at the facts: which region served, which were closed, which routing control was On, who wrote."""
    flag = {name: name in closed for name in (HOME, STANDBY)}
    routing = {name: "On" if name == (on or serving) else "Off" for name in (HOME, STANDBY)}
    found = {"flag": flag, "routing": routing, "writer": writer or serving}
    state = f"serving({serving})" if serving else "split"
    return event(at_s, "region-facts", ended_ns=ns(at_s), before_ns=ns(at_s - 1), state=state, facts=found)


def execution(begin_s: float, end_s: float, what: str, arn: str = ARN, **more: Any) -> list[Event]:
    return [
        event(begin_s - 0.5, "execution-starting", execution_arn=arn, what=what),
        event(begin_s, "execution-started", execution_arn=arn),
        event(end_s, "execution-ended", execution_arn=arn, status="SUCCEEDED", started=text(begin_s), **more),
    ]


def step(since_s: float, until_s: float, func: str, phase: str = "method", **output: Any) -> list[Event]:
    named = {"phase": phase, "activity": f"{func} at {since_s}", "func": func}
    return [
        event(since_s, "activity-started", **named),
        event(until_s, "activity-ended", **named, status="succeeded", output={"done": True, **output}),
    ]


def found(*events: Event | list[Event]) -> tuple[Leg, ...]:
    rows = [row for one in events for row in (one if isinstance(one, list) else [one])]
    return legs(Run(sorted(rows, key=lambda row: str(row["at"]))))


def test_a_failover_leaves_home_and_a_failback_enters_it() -> None:
    there, back = found(
        opened(), facts(1, HOME),
        execution(10, 40, FAIL_OVER, seconds=29.5), execution(60, 80, FAIL_BACK, arn=f"{ARN}-2", seconds=True),
    )  # fmt: skip
    assert (there.what, there.source, there.destination, there.status) == (FAIL_OVER, HOME, STANDBY, "SUCCEEDED")
    assert (back.what, back.source, back.destination, back.status) == (FAIL_BACK, STANDBY, HOME, "SUCCEEDED")
    assert (there.since_ns, there.until_ns, there.started_after_ns) == (ns(10), ns(60), ns(9.5))
    assert (back.since_ns, back.until_ns) == (ns(60), ns(80)), "the last one reaches to the end of the history"
    assert (there.seconds, back.seconds) == (29.5, None), "true is no number"
    assert (there.by_machine, there.succeeded) == (True, True)


def test_a_failover_that_began_by_itself_was_asked_for_by_nobody() -> None:
    (leg,) = found(opened(), facts(1, HOME), execution(10, 40, "automatic"))
    assert (leg.what, leg.started_after_ns) == (FAIL_OVER, None)


def test_what_was_asked_for_and_never_began_is_no_movement() -> None:
    starting, started, _ = execution(10, 40, FAIL_OVER)
    assert found(opened(), facts(1, HOME), starting) == ()
    (leg,) = found(opened(), facts(1, HOME), starting, started)
    assert (leg.since_ns, leg.status, leg.steps, leg.succeeded) == (ns(10), "", (), False)


def test_the_states_of_an_execution_are_steps_in_the_order_in_which_they_were_entered() -> None:
    states = [
        {"name": "SwitchOver", "entered": text(20), "exited": text(30)},
        {"name": "StopSource", "entered": text(11), "exited": None},
        {"name": "never", "entered": None},
        "odd",
    ]
    (leg,) = found(opened(), facts(1, HOME), execution(10, 40, FAIL_OVER, states=states))
    assert leg.steps == (
        TransitionStep("StopSource", ns(11), None, {}),
        TransitionStep("SwitchOver", ns(20), ns(30), {}),
    )
    assert leg.ended_ns == ns(30)
    assert Leg(FAIL_OVER, 5, 9, "", "", "", ()).ended_ns == 5, "without a step it ended as it began"


@pytest.mark.parametrize(
    ("home", "serving", "what", "destination"),
    [
        (HOME, HOME, FAIL_OVER, STANDBY),
        (HOME, STANDBY, FAIL_BACK, HOME),
        (STANDBY, HOME, FAIL_BACK, STANDBY),
        (None, STANDBY, FAIL_OVER, HOME),  # nobody knows which region is home
        (HOME, "", FAIL_OVER, ""),
    ],
)
def test_single_actions_leave_the_region_that_served(home, serving, what, destination) -> None:
    (leg,) = found(opened(home), facts(1, serving), step(10, 11, "set_routing"), step(12, 14, "switch_over_database"))
    assert (leg.what, leg.source, leg.destination, leg.status) == (what, serving, destination, "DONE")
    assert (leg.by_machine, leg.succeeded, leg.since_ns, leg.ended_ns) == (False, True, ns(10), ns(14))
    assert [one.name for one in leg.steps] == ["set_routing", "switch_over_database"]


def test_what_served_is_taken_from_the_last_look_before_it_that_knew() -> None:
    seen = facts(1, STANDBY), facts(4, HOME), facts(6, ""), facts(13, STANDBY)
    (leg,) = found(opened(), *seen, step(10, 11, "set_routing"))
    assert (leg.source, leg.destination) == (HOME, STANDBY)


def test_single_actions_of_the_rollbacks_or_around_an_execution_are_a_movement_of_their_own() -> None:
    moved = found(
        opened(), facts(1, HOME), step(10, 11, "set_routing"), facts(12, STANDBY),
        step(20, 21, "set_routing", phase="rollbacks"), step(22, 23, "set_stop_flag", phase="rollbacks"),
    )  # fmt: skip
    assert [(leg.what, len(leg.steps)) for leg in moved] == [(FAIL_OVER, 1), (FAIL_BACK, 2)]
    moved = found(opened(), step(10, 11, "set_routing"), execution(20, 30, FAIL_OVER), step(40, 41, "set_routing"))
    assert [leg.by_machine for leg in moved] == [False, True, False]


@pytest.mark.parametrize(
    "changed",
    [{"func": "read_routing"}, {"status": "failed"}, {"output": None}, {"output": {"done": False}}, {"activity": "b"}],
)
def test_a_step_that_moved_nothing_is_no_movement(changed: Event) -> None:
    begun, ended = step(10, 11, "set_routing")
    assert len(found(opened(), begun, ended)) == 1
    assert found(opened(), begun, {**ended, **changed}) == ()


# the phases

OVER = Leg(FAIL_OVER, ns(10), ns(60), HOME, STANDBY, "SUCCEEDED", (), None, ns(9.5))


def look(flag: Any = None, routing: Any = None, writer: Any = None) -> FactsChange:
    return FactsChange(None, 0, "", {"flag": flag, "routing": routing, "writer": writer})


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        (FLAG_CLOSED, look(flag={HOME: True, STANDBY: False}), True),
        (FLAG_CLOSED, look(flag={HOME: False, STANDBY: True}), False),
        (FLAG_CLOSED, look(flag={HOME: "?", STANDBY: True}), None),
        (FLAG_OPENED, look(flag={HOME: True, STANDBY: False}), True),
        (FLAG_OPENED, look(flag={HOME: False, STANDBY: True}), False),
        (FLAG_OPENED, look(flag={"error": "denied"}), None),
        (ROUTING, look(routing={HOME: "Off", STANDBY: "On"}), True),
        (ROUTING, look(routing={HOME: "On", STANDBY: "On"}), False),
        (ROUTING, look(routing={HOME: "Off", STANDBY: "Off"}), False),
        (ROUTING, look(routing={STANDBY: "On"}), None),
        (ROUTING, look(routing={HOME: "Off"}), None),
        (DATABASE, look(writer=STANDBY), True),
        (DATABASE, look(writer=HOME), False),
        (DATABASE, look(), None),
    ],
)
def test_whether_a_phase_s_end_held_at_a_look(name: str, there: FactsChange, expected: bool | None) -> None:
    assert holds(name, there, OVER) is expected


def phases(*events: Event, leg: Leg = OVER, fault: Span | None = None, made: Beats | None = None, **seen: Any) -> Any:
    served = Served(**{**dict.fromkeys(("noticed", "dns_changed", "first_good", "sustained")), **SAYS, **seen})
    return phases_of(Run([opened(), *events], made), leg, fault, served)


SAYS = {"first_good_how": NOTHING, "sustained_how": NOTHING}


def moment(judged: LegPhases, name: str) -> tuple[float | None, float | None]:
    """By when it had come, in seconds, and by how much earlier at most."""
    phase: Phase = judged.named(name)
    return (None if phase.at_ns is None else (phase.at_ns - T0) / NS), phase.uncertainty_s


def states(*named: tuple[str, float, float]) -> tuple[TransitionStep, ...]:
    return tuple(TransitionStep(name, ns(since_s), ns(until_s), {}) for name, since_s, until_s in named)


def moved(steps: tuple[TransitionStep, ...], seconds: float | None = None, status: str = "SUCCEEDED") -> Leg:
    return Leg(FAIL_OVER, ns(10), ns(60), HOME, STANDBY, status, steps, seconds, ns(9.5))


WHOLE = states(("StopSource", 11, 12), ("SwitchRoute53Arc", 13, 14), ("SwitchOver", 15, 20),
               ("IsClusterAvailable?", 29, 30), ("StartDestination", 31, 33))  # fmt: skip


def test_a_phase_lies_between_the_beginning_and_the_end_of_what_does_it() -> None:
    judged = phases(leg=moved(WHOLE))
    assert [moment(judged, name) for name in (STARTED, FLAG_CLOSED, ROUTING, DATABASE, FLAG_OPENED)] == [
        (10, 0.5), (12, 1), (14, 1), (30, 15), (33, 2)
    ]  # fmt: skip
    assert moment(judged, FAULT) == moment(judged, NOTICED) == (None, None)
    took = {name: judged.named(name).seconds for name in (STARTED, FLAG_CLOSED, ROUTING, DATABASE, FLAG_OPENED)}
    assert took == {STARTED: None, FLAG_CLOSED: 2, ROUTING: 2, DATABASE: 16, FLAG_OPENED: 3}
    assert (judged.whole_s, judged.contradictions) == (23, ())
    assert [phase.name for phase in judged.phases] == list(PHASES)


def test_the_phases_of_single_actions_are_told_by_their_arguments() -> None:
    steps = (
        TransitionStep("set_stop_flag", ns(11), ns(12), {"is": True}),
        TransitionStep("set_routing", ns(13), ns(14), {}),
        TransitionStep("fail_over_database", ns(15), ns(20), {}),
        TransitionStep("set_stop_flag", ns(21), ns(23), {"is": False}),
        TransitionStep("set_stop_flag", ns(25), ns(26), {"is": "odd"}),
    )
    judged = phases(leg=moved(steps, status="DONE"))
    assert [moment(judged, name)[0] for name in (FLAG_CLOSED, ROUTING, DATABASE, FLAG_OPENED)] == [12, 14, 20, 23]
    unended = (TransitionStep("set_routing", ns(13), None, {}),)
    assert moment(phases(leg=moved(unended)), ROUTING) == (None, None)


def test_what_was_seen_narrows_what_the_machine_said() -> None:
    seen = facts(9, HOME), facts(13.5, STANDBY, closed=(HOME,)), facts(28, STANDBY)
    judged = phases(*seen, leg=moved(WHOLE))
    assert moment(judged, ROUTING) == (13.5, 0.5)  # seen Off at 12.5 and On at 13.5; its state began at 13
    assert moment(judged, FLAG_CLOSED)[0] == 12
    assert len(judged.named(ROUTING).evidence) == 2


@pytest.mark.parametrize(("early_s", "contradicted"), [(1.9, False), (2.1, True)])
def test_evidence_that_excludes_other_evidence_by_more_than_clocks_may_differ_is_told(early_s, contradicted) -> None:
    at_s = 13 - early_s
    seen = facts(9, HOME), facts(at_s, STANDBY, writer=HOME)
    judged = phases(*seen, leg=moved(states(("SwitchRoute53Arc", 13, 14))))
    assert moment(judged, ROUTING)[0] == pytest.approx(at_s)
    assert len(judged.contradictions) == contradicted
    assert len(judged.named(ROUTING).evidence) == (1 if contradicted else 2), "what was seen counts"


@pytest.mark.parametrize(("late_s", "told"), [(0.0, 0), (1.9, 0), (2.1, 1)])
def test_a_phase_that_surely_came_before_what_must_precede_it_is_told(late_s: float, told: int) -> None:
    steps = states(("StopSource", 14 + late_s, 16 + late_s), ("SwitchRoute53Arc", 13, 14))
    assert len(phases(leg=moved(steps)).contradictions) == told


def test_a_first_good_answer_before_the_flag_was_opened_is_told_only_where_writes_were_sent() -> None:
    reads, writes = beats("o" * 20), beats("o" * 20, "o" * 20)
    early = {"first_good": Span(ns(21), ns(22))}
    assert len(phases(leg=moved(WHOLE), made=writes, **early).contradictions) == 1
    assert phases(leg=moved(WHOLE), made=reads, **early).contradictions == ()


@pytest.mark.parametrize(("said_s", "told"), [(23.0, 0), (21.0, 0), (25.0, 0), (20.9, 1), (25.1, 1), (None, 0)])
def test_phases_that_do_not_make_what_the_execution_took_are_told(said_s: float | None, told: int) -> None:
    assert len(phases(leg=moved(WHOLE, said_s)).contradictions) == told
    assert phases(leg=moved(WHOLE[1:], said_s)).contradictions == (), "one of them was not seen"


def test_a_phase_is_counted_from_the_last_one_before_it_that_was_seen() -> None:
    judged = phases(leg=moved(WHOLE[:1]), sustained=Span(ns(40), ns(41)))
    sustained = judged.named(SUSTAINED)
    assert (sustained.since, sustained.seconds) == (FLAG_CLOSED, 29)
    assert "29" in sustained.in_words()
    alone = phases(leg=moved(()), fault=Span(None, ns(5)), first_good=Span(None, ns(12)))
    assert (alone.named(FIRST_GOOD).since, alone.named(FIRST_GOOD).seconds) == (STARTED, 2)
    assert (alone.named(STARTED).since, alone.named(STARTED).seconds, alone.whole_s) == (FAULT, 5, 7)
    assert (alone.named(FAULT).seconds, alone.named(FAULT).in_words(), moment(alone, FAULT)) == (None, "", (5, None))


def test_a_fault_begins_between_its_last_asking_and_its_effect() -> None:
    asked = [event(one, "fault-injecting") for one in (3, 5, 9)]
    assert fault_of(Run([*asked, event(7, "fault-started"), event(8, "fault-started")])) == Span(ns(5), ns(7))
    assert fault_of(Run([event(7, "fault-started")])) == Span(None, ns(7))
    assert fault_of(Run([])) is None
    paused = {**event(6, "fault-started"), "kind": "replication-pause"}
    assert fault_of(Run([paused, event(7, "fault-started")])) == Span(None, ns(7)), "clients do not feel a pause"
    assert fault_of(Run([paused])) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, Span(None, ns(11))), ({"phase": "rollbacks"}, None), ({"output": {"done": False}}, None),
     ({"func": "set_routing"}, None), ({"output": None}, None)],
)  # fmt: skip
def test_stopping_the_service_in_the_method_is_a_fault(changed: Event, expected: Span | None) -> None:
    _, ended = step(10, 11, "set_desired_count")
    assert fault_of(Run([{**ended, **changed}])) == expected


def test_clocks_of_step_functions_and_ours_may_differ_by_two_seconds() -> None:
    assert TOLERANCE_NS == 2 * NS
