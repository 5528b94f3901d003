"""The safety lever and the alarms that stop a drill, against the lab's endpoint: read, preflighted, and allowed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.client.heartbeat import DrillHeartbeat
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.lifecycle import Session
from chaosdrill.controls.stop_conditions import of_alarms, watch_stop_conditions
from chaosdrill.errors import CannotSee
from chaosdrill.experiment_files import configuration_of
from chaosdrill.packet_loss.stop_conditions import stop_conditions
from chaosdrill.parts.interface import CheckContext, PlannedStep
from chaosdrill.policies import filled, policy_of
from chaosdrill.preflight.run import checks_of, run
from chaosdrill.stop_when import StopWhen, stop_when_of
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.contract.test_drill_policy import calls_of
from tests.iam_policy import not_allowed, wanted
from tests.small_drills import do, experiment
from tests.waiting import LONG_S

ALARM = "payments-5xx"
LOSS = PlannedStep("method", "lose", "chaosdrill.packet_loss.actions.inject_packet_loss", {})
CUT = PlannedStep("method", "cut", "chaosdrill.packet_loss.actions.isolate_region", {"region": "standby"})


@pytest.fixture
def system(rig: Rig) -> System:
    return system_of(rig.configuration)


@contextmanager
def engaged(rig: Rig, region: str) -> Iterator[None]:
    fis = rig.lab.client("fis", region)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    try:
        yield
    finally:
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


@contextmanager
def denied(rig: Rig) -> Iterator[None]:
    fault = {"service": "fis", "kind": "denied", "operation": "GetSafetyLever"}
    get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
    try:
        yield
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.fixture
def alarm(rig: Rig) -> Iterator[Any]:
    """An alarm in the home region; its client, to set its state."""
    client = rig.lab.client("cloudwatch", TOKYO)
    comparison = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.0, "EvaluationPeriods": 1}
    metric = {"Namespace": "Payments", "MetricName": "5xx", "Statistic": "Sum", "Period": 60}
    client.put_metric_alarm(AlarmName=ALARM, **metric, **comparison)
    yield client
    client.delete_alarms(AlarmNames=[ALARM])


def context(system: System, lever: str, *steps: PlannedStep) -> CheckContext:
    return CheckContext(system, steps=steps, experiment="failover", stop_when=StopWhen(safety_lever=lever))


@pytest.mark.parametrize(
    ("lever", "steps", "regions"),
    [
        ("", (), []),
        ("", (LOSS,), [TOKYO]),
        ("", (LOSS, CUT), [OSAKA, TOKYO]),
        ("ignored", (LOSS, CUT), []),
        ("engaged", (), [TOKYO, OSAKA]),
    ],
)
def test_the_lever_is_watched_where_a_fault_is_and_where_it_is_asked_for(
    system: System, lever: str, steps: tuple[PlannedStep, ...], regions: list[str]
) -> None:
    watched = list(stop_conditions(context(system, lever, *steps)))
    assert [one.what for one in watched] == [f"safety lever of {region}" for region in regions]


def test_an_engaged_lever_stops_the_drill_with_its_reason(rig: Rig, system: System) -> None:
    tokyo, osaka = stop_conditions(context(system, "engaged"))
    assert (tokyo.read(), osaka.read()) == ("", "")
    with engaged(rig, OSAKA):
        assert tokyo.read() == ""
        assert "festival" in osaka.read()


def test_a_lever_that_may_not_be_read_is_unreadable_where_it_was_asked_for(rig: Rig, system: System) -> None:
    (by_default,) = stop_conditions(context(system, "", LOSS))
    asked_for, _ = stop_conditions(context(system, "engaged"))
    with denied(rig):
        assert by_default.read() == ""
        with pytest.raises(Exception, match="AccessDenied"):
            asked_for.read()


def test_an_alarm_stops_the_drill_in_alarm_alone_and_is_unreadable_when_it_is_gone(system: System, alarm: Any) -> None:
    (condition,) = of_alarms(system, stop_when_of({"alarms": [ALARM]}).alarms)
    for state in ("INSUFFICIENT_DATA", "OK"):
        alarm.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="by hand")
        assert condition.read() == ""
    alarm.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="by hand")
    assert ALARM in condition.read()
    alarm.delete_alarms(AlarmNames=[ALARM])
    with pytest.raises(CannotSee) as caught:
        condition.read()
    assert caught.value.code == "alarm-missing"


def test_alarms_of_a_region_are_read_together(system: System) -> None:
    account = system.topology.accounts[0]
    elsewhere = f"arn:aws:cloudwatch:us-west-2:{account}:alarm:canary"
    found = list(of_alarms(system, stop_when_of({"alarms": ["a", elsewhere, "b", "a"]}).alarms))
    assert [one.what for one in found] == [f"alarms of {TOKYO}: a, b", "alarms of us-west-2: canary"]


@pytest.mark.parametrize(("state", "outcome"), [("ALARM", "refuse"), ("INSUFFICIENT_DATA", "warning"), ("OK", "ok")])
def test_the_preflight_finds_an_alarm_that_would_stop_the_drill(
    system: System, alarm: Any, state: str, outcome: str
) -> None:
    alarm.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="by hand")
    wanted_alarms = stop_when_of({"alarms": [ALARM, "payments-4xx"]})
    checks = checks_of(CheckContext(system, experiment="failover", stop_when=wanted_alarms), quick=True)
    found = run([one for one in checks if one.name == "core.stop-alarm"])
    assert [(one.outcome, one.code) for one in found] == [
        (outcome, "alarm-in-alarm" if outcome == "refuse" else ""),
        ("refuse", "alarm-missing"),
    ]


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_the_preflight_reads_each_lever_once(system: System, is_asked_for: bool) -> None:
    known = context(system, "engaged" if is_asked_for else "", LOSS)
    levers = [one.what for one in checks_of(known, quick=True) if one.name == "packet_loss.safety-lever"]
    assert levers == [f"safety lever of {region}" for region in ([TOKYO, OSAKA] if is_asked_for else [TOKYO])]


def test_the_printed_policy_allows_what_is_read_and_only_where_it_is_asked_for(
    rig: Rig, system: System, alarm: Any
) -> None:
    stop_when = stop_when_of({"safety_lever": "engaged", "alarms": [ALARM]})
    known = CheckContext(system, experiment="failback", stop_when=stop_when)
    with calls_of(rig) as made:
        for one in (*stop_conditions(known), *of_alarms(system, stop_when.alarms)):
            one.read()
    written = policy_of("failback"), system.topology, configuration_of("failback")
    asked = wanted(made)
    assert {one.action for one in asked} == {"fis:GetSafetyLever", "cloudwatch:DescribeAlarms"}
    assert not_allowed(filled(*written, stop_when=stop_when), asked) == []
    assert len(not_allowed(filled(*written), asked)) == len(asked)


def test_a_drill_is_stopped_by_what_it_watches(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that opens a drill and needs no system of its own is left out."""
    stopped = threading.Event()
    raw = {"safety_lever": "engaged", "unavailable_s": 60, "lost_writes": 1}
    session = Session(experiment([do("work")]), dict(rig.configuration), None)
    session.arguments, session.directory = Arguments(stop_when=raw), tmp_path
    session.heartbeat = DrillHeartbeat(rig.configuration)
    monkeypatch.setattr(session.signals, "stop_method", stopped.set)
    guards = watch_stop_conditions(session, system_of(rig.configuration), "failover", session.safeguard_tripped)
    try:
        (watched,) = (row["conditions"] for row in session.record.events if row["event"] == "stop-conditions-watched")
        assert len(watched) == 4
        with engaged(rig, OSAKA):
            assert stopped.wait(LONG_S)
    finally:
        guards.stop()
    (row,) = (row for row in session.record.events if row["event"] == "safeguard-tripped")
    assert (row["safeguard"], row["unreadable"]) == ("safety-lever", False)
