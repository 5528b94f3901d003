"""Verdicts from literal histories."""

from typing import Any

import pytest

from chaosdrill.analysis import ClientOutage, LoadOutage, StatePeriod, judge, region_states
from chaosdrill.analysis.verdict import complete, of_history, of_outage

FAILOVER = "chaosdrill.failover.actions"
STEADY, FAULT = "chaosdrill.load.probes", "chaosdrill.packet_loss.probes"
PLANNED = {
    "setup": ["start-load"],
    "steady-state-before": ["failures"],
    "method": ["fault-landed", "fail-over"],
    "steady-state-after": ["failures"],
    "rollbacks": ["fail-back"],
}


def opened(**more: Any) -> dict[str, Any]:
    return {"event": "drill-opened", "planned": PLANNED, "objectives": {"rto_s": 10}, "dry": None, **more}


def ended(phase: str, activity: str, **more: Any) -> dict[str, Any]:
    row = {"event": "activity-ended", "phase": phase, "activity": activity, "status": "succeeded", "module": STEADY}
    return {**row, "output": 0, "tolerance": 0, "tolerance_met": True, **more}


def drill(*changed: dict[str, Any], more: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """A whole history in which everything went well, but for ``changed`` activities."""
    good = [
        ended("setup", "start-load", tolerance_met=None),
        ended("steady-state-before", "failures"),
        ended("method", "fault-landed", module=FAULT, output=True, tolerance=True),
        ended("method", "fail-over", tolerance_met=None),
        ended("steady-state-after", "failures"),
        ended("rollbacks", "fail-back", tolerance_met=None),
    ]
    replaced = {(row["phase"], row["activity"]): row for row in changed}
    steps = [replaced.get((row["phase"], row["activity"]), row) for row in good]
    return [opened(), {"event": "load-started"}, *steps, *(more or [])]


FINE = ClientOutage((LoadOutage(0, 9.9, 3),))


def test_a_drill_that_did_and_saw_everything_passes():
    verdict = judge(drill(), FINE)
    assert (verdict.word, [reason.values for reason in verdict.reasons]) == ("passed", [{"checks": 3}])


def failed(phase: str, activity: str, kind: str = "", **more: Any) -> dict[str, Any]:
    return ended(phase, activity, status="failed", error="bad", error_kind=kind, tolerance_met=None, **more)


def missed(phase: str, activity: str, **more: Any) -> dict[str, Any]:
    return ended(phase, activity, output=7, tolerance_met=False, **more)


CASES = [
    (drill(failed("setup", "start-load")), "invalid", "setup: start-load failed: bad"),
    (drill(failed("steady-state-before", "failures", "CannotSee")), "invalid", "steady-state-before: failures failed"),
    (drill(missed("steady-state-before", "failures")), "refused", "steady-state-before: failures is 7, expected 0"),
    (drill(missed("method", "fault-landed", module=FAULT)), "invalid", "method: fault-landed is 7"),
    (drill(failed("method", "fault-landed", module=FAULT)), "invalid", "method: fault-landed failed: bad"),
    (drill(failed("method", "fail-over", module=FAILOVER)), "failed", "method: fail-over failed: bad"),
    (drill(failed("method", "fail-over", "TimedOut", module=FAILOVER)), "failed", "method: fail-over failed: bad"),
    (drill(failed("method", "fail-over", "CannotSee")), "invalid", "method: fail-over failed: bad"),
    (drill(missed("steady-state-after", "failures")), "failed", "steady-state-after: failures is 7, expected 0"),
    (drill(failed("steady-state-after", "failures", "CannotSee")), "invalid", "steady-state-after: failures failed"),
    (
        drill(failed("rollbacks", "fail-back", "CannotSee", module="chaosdrill.failover.actions")),
        "failed",
        "rollbacks: fail-back failed",
    ),
    (drill(more=[failed("rollbacks", "stop-load", "CannotSee")]), "invalid", "rollbacks: stop-load failed: bad"),
    (drill(missed("rollbacks", "fail-back")), "failed", "rollbacks: fail-back is 7, expected 0"),
    (drill()[:-1], "invalid", "rollbacks: fail-back was not run"),
    (drill()[:4], "invalid", "method: fault-landed was not run"),
    ([], "invalid", "the drill was never opened"),
    ([opened(dry="activities"), *drill()[1:]], "invalid", "a dry run (--dry activities)"),
    ([{"event": "refused", "why": "home is dark"}], "refused", "home is dark"),
    (
        drill(more=[{"event": "interrupted", "signal": "SIGINT", "phase": "method"}]),
        "interrupted",
        "interrupted (stage: method): SIGINT",
    ),
    (
        drill(more=[{"event": "end-state", "state": "dark", "expected": "serving(a)"}]),
        "failed",
        "at the end the region",
    ),
    (
        drill(more=[{"event": "safeguard-tripped", "safeguard": "g", "why": "is 2", "unreadable": False}]),
        "failed",
        "safeguard g: is 2",
    ),
    (
        drill(more=[{"event": "safeguard-tripped", "safeguard": "g", "why": "no answer", "unreadable": True}]),
        "invalid",
        "safeguard g: no answer",
    ),
    (
        drill(more=[{"event": "crashed", "where": "closing", "why": "oh"}]),
        "invalid",
        "chaosdrill itself failed in closing: oh",
    ),
]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (missed("method", "fault-landed", module=FAULT), "fault-without-effect"),
        (missed("method", "fault-landed", module=FAILOVER), "check-missed"),
        (missed("steady-state-after", "failures"), "check-missed"),
        (missed("steady-state-after", "failures", module=FAULT), "check-missed"),
        (missed("rollbacks", "fail-back", module=FAULT), "check-missed"),
    ],
)
def test_only_a_probe_of_the_fault_in_the_method_tells_that_it_had_no_effect(step: dict[str, Any], name: str) -> None:
    assert [one.name for one in of_history([opened(), step])] == [name]


def test_a_drill_that_passed_says_how_many_checks_held() -> None:
    told = [ended("method", f"look {number}", tolerance_met=met) for number, met in enumerate([True, None, True])]
    assert judge([*drill(), *told], FINE).reasons[0].values == {"checks": 5}


@pytest.mark.parametrize(("events", "word", "reason"), CASES)
def test_what_went_wrong_names_the_verdict(events, word, reason):
    verdict = judge(events, FINE)
    assert verdict.word == word
    assert verdict.reasons[0].startswith(reason)
    names = {one.text: one.name for one in complete(events, list(of_history(events)))}
    assert {names[other] for other in verdict.reasons[1:2]} <= {"step-not-run", "rollback-not-run"}


STEP = ("method", "fail-over")
LOAD, DNS, OTHERS = "chaosdrill.load.actions", "chaosdrill.dns.probes", "chaosaws.ssm.probes"
CHAIN = "chaosdrill.automatic_failover.probes"
UNREADABLE = [
    (failed(*STEP, "", module=DNS, type="probe"), "invalid"),  # a raw error of AWS, as older runs have it
    (failed(*STEP, "CannotSee", module=DNS, type="probe"), "invalid"),
    (failed(*STEP, "TimedOut", module=DNS, type="probe"), "invalid"),
    (failed(*STEP, "LabError", module=DNS, type="probe"), "invalid"),
    (failed(*STEP, "", module=OTHERS, type="probe"), "invalid"),
    (failed(*STEP, "", module=None, type="probe"), "invalid"),  # a process that took too long
    (failed("steady-state-after", "failures", "", module=DNS, type="probe"), "invalid"),
    (failed(*STEP, "TimedOut", module=LOAD, type="action"), "invalid"),  # a load without workers
    (failed(*STEP, "LabError", module="chaosdrill.heartbeat.actions", type="action"), "invalid"),
    (failed(*STEP, "CannotSee", module="chaosdrill.routing.actions", type="action"), "invalid"),
    (failed(*STEP, "TimedOut", module=CHAIN, type="probe"), "failed"),  # it was watched, and it did not happen
    (failed(*STEP, "ExecutionFailed", module=CHAIN, type="probe"), "failed"),
    (failed(*STEP, "", module=CHAIN, type="probe"), "invalid"),
    (failed(*STEP, "TimedOut", module="tests.steps", type="probe"), "failed"),
    (failed(*STEP, "", module="chaosdrill.routing.actions", type="action"), "failed"),
    (failed(*STEP, "TimedOut", module="chaosdrill.failover.actions", type="action"), "failed"),
    (failed("rollbacks", "fail-back", "", module=DNS, type="probe"), "failed"),  # whether it is back is unknown
    (failed("rollbacks", "fail-back", "TimedOut", module=LOAD, type="action"), "failed"),  # users still run
]


@pytest.mark.parametrize(("step", "word"), UNREADABLE)
def test_a_step_that_could_not_read_proves_nothing_and_one_that_went_wrong_fails(
    step: dict[str, Any], word: str
) -> None:
    events = drill(step)
    assert [(one.name, one.verdict) for one in of_history(events)] == [("step-failed", word)]
    assert judge(events, FINE).word == word


def started(phase: str, activity: str, **more: Any) -> dict[str, Any]:
    return {"event": "activity-started", "phase": phase, "activity": activity, "module": STEADY, **more}


CTRL_C = [{"event": "interrupted", "signal": "SIGINT", "phase": "rollbacks"}] * 2
UNDOES = {"fail-back": "fail-over", "stop-load": "start-load", "heal": "inject", "reopen": "close"}
GIVEN_UP = [
    opened(undoes=UNDOES, planned={**PLANNED, "rollbacks": ["heal", "reopen", "fail-back", "stop-load"]}),
    started("setup", "start-load", func="start_load", module=LOAD, arguments={"users": 50}),
    ended("setup", "start-load", tolerance_met=None, func="start_load"),
    started("method", "close"),
    ended("method", "close", output={"done": False}, tolerance_met=None),
    started("method", "fail-over"),
    ended("method", "fail-over", tolerance_met=None),
    ended("rollbacks", "fail-back", status="interrupted", tolerance_met=None),
]


def test_rollbacks_that_were_given_up_are_named_with_what_they_leave() -> None:
    """Not that of a step which never began, and not that of one which changed nothing."""
    verdict = judge([*GIVEN_UP, *CTRL_C], None)
    assert verdict.word == "interrupted"
    left = [reason.values for reason in verdict.reasons if reason.template.endswith("is not undone")]
    assert [(one["step"], one.get("users")) for one in left] == [("fail-over", None), ("start-load", "50")]
    found = [one for one in complete(GIVEN_UP, ()) if one.name == "rollback-not-run"]
    assert [one.verdict for one in found] == ["invalid", "invalid"]


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"output": {"done": True}}, True),
        ({"output": {"done": False}}, False),
        ({"output": {"done": None}}, True),
        ({"output": None}, True),
        ({"status": "failed", "error_kind": "Refused"}, False),
        ({"status": "failed", "error_kind": "BadInput"}, False),
        ({"status": "failed", "error_kind": "ActivityFailed"}, True),  # some of it may have been done
        ({"status": "interrupted"}, True),
        ({"phase": "steady-state-before"}, False),  # a probe changes nothing
    ],
)
def test_what_has_to_be_undone_is_what_a_step_may_have_changed(told: dict[str, Any], left: bool) -> None:
    history = [
        opened(undoes={"reopen": "close"}, planned={"method": ["close"], "rollbacks": ["reopen"]}),
        {**ended("method", "close", tolerance_met=None), **told},
        started("method", "other"),
    ]
    found = [one for one in complete(history, ()) if one.name == "rollback-not-run"]
    assert [one.text.values["step"] for one in found] == (["close"] if left else [])


def test_a_target_that_is_gone_has_nothing_to_undo_and_neither_has_a_drill_that_did_nothing() -> None:
    lost = {"event": "target-lost", "why": "the lab has ended"}
    refused = [GIVEN_UP[0], {"event": "refused", "why": "home is dark"}]
    for events in ([*GIVEN_UP, lost], refused):
        assert "rollback-not-run" not in [one.name for one in complete(events, of_history(events))]


def test_the_gravest_finding_names_the_verdict_and_all_reasons_are_kept():
    events = drill(missed("method", "fault-landed", module=FAULT), failed("rollbacks", "fail-back"))
    verdict = judge(events, None)
    assert verdict.word == "failed"
    assert [reason.split()[1] for reason in verdict.reasons] == ["fail-back", "fault-landed", "client"]


@pytest.mark.parametrize(
    ("outage", "word", "name", "values"),
    [
        (ClientOutage((LoadOutage(0, 10.1, 3),)), "failed", "unavailable-too-long", {"seconds": 10.1, "rto_s": 10}),
        (None, "invalid", "objective-not-judged", {"rto_s": 10}),
    ],
)
def test_an_objective_is_missed_or_cannot_be_judged(outage, word, name, values):
    verdict = judge(drill(), outage)
    (found,) = of_outage(drill(), outage)
    assert (verdict.word, verdict.reasons) == (word, (found.text,))
    assert (found.name, found.text.values) == (name, values)


@pytest.mark.parametrize(
    ("outages", "word"),
    [
        ((LoadOutage(0, 4.0, 30), LoadOutage(20, 23.0, 9, ended=False)), "failed"),
        ((LoadOutage(0, 4.0, 30), LoadOutage(20, 20.5, 1, ended=False)), "passed"),  # cut by the stop of the load
        ((LoadOutage(0, 4.0, 30),), "passed"),
    ],
)
def test_clients_that_are_not_served_in_the_end_are_a_failure(outages, word):
    verdict = judge(drill(), ClientOutage(outages))
    assert verdict.word == word
    if word == "failed":
        (found,) = of_outage(drill(), ClientOutage(outages))
        assert (found.name, found.text.values) == ("still-unavailable", {"seconds": 3.0})
        assert verdict.reasons == (found.text,)


def test_a_target_that_went_away_is_told():
    verdict = judge(drill(more=[{"event": "target-lost", "why": "the lab ended"}]), None)
    assert (verdict.word, verdict.reasons[0]) == ("invalid", "the lab ended")


def test_without_load_an_objective_cannot_be_judged_and_without_one_nothing_is_missing():
    events = [row for row in drill() if row["event"] != "load-started"]
    verdict = judge(events, None)
    (found,) = complete(events, list(of_history(events)))
    assert (found.name, found.text.values) == ("objective-not-judged", {"rto_s": 10})
    assert (verdict.word, verdict.reasons) == ("invalid", (found.text,))
    assert judge([opened(objectives={}), *events[1:]], None).word == "passed"


def test_of_two_steps_of_one_name_both_must_be_done():
    planned = {**PLANNED, "method": [*PLANNED["method"], "fail-over"]}
    verdict = judge([opened(planned=planned), *drill()[1:]], FINE)
    (found,) = complete([opened(planned=planned), *drill()[1:]], [])
    assert (found.name, found.text.values) == ("step-not-run", {"stage": "method", "activity": "fail-over"})
    assert (verdict.word, verdict.reasons) == ("invalid", (found.text,))


def test_region_states_in_the_order_in_which_they_were_seen():
    def seen(at: float, state: str) -> dict[str, Any]:
        return {"event": "region-state", "state": state, "monotonic_s": at}

    events = [seen(10, "a"), seen(12, "a"), seen(15.04, "moving"), seen(20, "b"), {"event": "x", "monotonic_s": 21.5}]
    assert region_states(events) == (StatePeriod("a", 5.0), StatePeriod("moving", 5.0), StatePeriod("b", 1.5))
    assert region_states([{"event": "x", "monotonic_s": 1}]) == ()
