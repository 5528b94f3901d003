"""The control argument ``stop_when``: every problem in it is found before a drill, and what it stands for."""

from typing import Any

import pytest

from chaosdrill.controls.arguments import problems_of_arguments
from chaosdrill.stop_when import (
    NAMES,
    Alarm,
    StopWhen,
    problems_of_accounts,
    problems_of_steps,
    problems_of_stop_when,
    stop_when_of,
)

ARN = "arn:aws:cloudwatch:us-west-2:123456789012:alarm:payments 5xx"
BAD: list[Any] = [
    "engaged",
    ["engaged"],
    {"lever": "engaged"},
    {"safety_lever": "on"},
    {"safety_lever": True},
    {"alarms": "payments-5xx"},
    {"alarms": [""]},
    {"alarms": [3]},
    {"alarms": ["arn:aws:cloudwatch:us-west-2:123456789012:dashboard:x"]},
    {"unavailable_s": 0},
    {"unavailable_s": -1},
    {"unavailable_s": "long"},
    {"unavailable_s": True},
    {"unavailable_s": float("nan")},
    {"unavailable_s": float("inf")},
    {"unavailable_s": 86_401},
    {"unavailable_s": None},
    {"lost_writes": 0},
    {"lost_writes": 1.5},
    {"lost_writes": "many"},
]


@pytest.mark.parametrize("raw", BAD, ids=repr)
def test_what_cannot_be_a_condition_is_one_problem(raw: Any) -> None:
    (found,) = problems_of_arguments({"stop_when": raw})
    assert getattr(found, "code", None) == "stop-when-invalid"


def test_all_problems_are_found_at_once() -> None:
    raw = {"lever": 1, "safety_lever": "on", "alarms": ["", 3], "unavailable_s": 0, "lost_writes": 0}
    assert len(problems_of_stop_when(raw)) == 6


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (None, StopWhen()),
        ({}, StopWhen()),
        ({"safety_lever": "ignored"}, StopWhen(safety_lever="ignored")),
        ({"unavailable_s": "60", "lost_writes": "2"}, StopWhen(unavailable_s=60.0, lost_writes=2)),
        (
            {"safety_lever": "engaged", "alarms": ["payments-5xx", ARN]},
            StopWhen("engaged", (Alarm("payments-5xx"), Alarm("payments 5xx", "us-west-2", "123456789012"))),
        ),
    ],
)
def test_what_is_written_is_meant(raw: Any, meant: StopWhen) -> None:
    assert problems_of_stop_when(raw) == []
    assert stop_when_of(raw) == meant


def test_what_still_has_variables_is_not_judged() -> None:
    assert problems_of_stop_when({name: "${x}" for name in NAMES if name != "alarms"} | {"alarms": ["${x}"]}) == []


def test_an_alarm_of_another_account_is_a_problem() -> None:
    stop_when = stop_when_of({"alarms": ["payments-5xx", ARN]})
    assert problems_of_accounts(stop_when, ["123456789012"]) == []
    (found,) = problems_of_accounts(stop_when, ["111111111111"])
    assert getattr(found, "code", None) == "stop-when-invalid"


START, READ_BACK = "chaosdrill.heartbeat.actions.start_heartbeat", "chaosdrill.heartbeat.probes.lost_writes"


@pytest.mark.parametrize(
    ("raw", "functions", "count"),
    [
        ({"unavailable_s": 60}, [], 1),
        ({"unavailable_s": 60}, [START], 0),
        ({"lost_writes": 1}, [START], 1),
        ({"lost_writes": 1}, [START, READ_BACK], 0),
        ({"unavailable_s": 60, "lost_writes": 1}, [], 2),
        ({"safety_lever": "engaged", "alarms": ["x"]}, [], 0),
    ],
)
def test_a_condition_that_no_step_measures_is_a_problem(raw: Any, functions: list[str], count: int) -> None:
    found = problems_of_steps(stop_when_of(raw), functions)
    assert [getattr(one, "code", None) for one in found] == ["stop-when-invalid"] * count
