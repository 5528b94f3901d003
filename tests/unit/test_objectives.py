"""Objectives: every mistake in them at once, before anything is touched; and how each is judged."""

import re

import pytest

from chaosdrill.analysis import objectives
from chaosdrill.analysis.ledger import Write
from chaosdrill.analysis.losses import Losses
from chaosdrill.analysis.measurement import Measured
from chaosdrill.controls.arguments import Arguments, problems_of_arguments, problems_of_values
from chaosdrill.errors import codes_of

PHASES = (
    "noticed, failover-started, flag-closed, routing-switched, database-switched, flag-opened, dns-changed, first-good"
)


def test_every_name_that_there_is_none_of_is_named() -> None:
    problems = problems_of_arguments(
        {"objectives": {"rto": 1, "rpo_s": "${x}", "budgets": {"flag-closd": 1, "fault": 1}}}
    )
    assert codes_of(problems) == ["objective-invalid"] * 3
    assert problems[0].endswith(" rto_s, rpo_writes, rpo_s, availability_ratio, budgets")
    assert [problem.rpartition(": ")[0] for problem in problems] == [
        "objectives: rto",
        "objectives: budgets: flag-closd",
        "objectives: budgets: fault",
    ]
    assert PHASES in problems[1]


def test_budgets_are_a_mapping() -> None:
    (problem,) = problems_of_arguments({"objectives": {"budgets": 60}})
    assert problem.code == "objective-invalid"
    assert [one for one in ("objectives: budgets: ", "{database-switched: 60}") if one not in problem] == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("rpo_writes", 1.5),
        ("rpo_writes", -1),
        ("rpo_s", True),
        ("rpo_s", float("inf")),
        ("availability_ratio", 99),
        ("availability_ratio", "most"),
    ],
)
def test_a_value_that_is_no_objective_is_named(name, bad):
    (problem,) = problems_of_values(Arguments(objectives={name: bad}))
    assert problem.code == "objective-invalid"
    assert problem.startswith(f"objectives: {name}: {bad!r} ")


def test_all_values_are_told_at_once_and_0_lost_writes_is_an_objective() -> None:
    wrong = {"rto_s": 0, "budgets": {"flag-closed": "soon", "dns-changed": 0}}
    assert len(problems_of_values(Arguments(objectives=wrong))) == 3
    right = {
        "rto_s": 300,
        "rpo_writes": 0,
        "rpo_s": 0,
        "availability_ratio": 1,
        "budgets": {"dns-changed": 90, "fault": 0.5},
    }
    assert problems_of_values(Arguments(objectives=right)) == []


def seconds(value: float | None, **more: object) -> Measured:
    return Measured(value, "s", "heartbeat", 0.05, 0.05, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "names"),
    [
        ([seconds(9.9), seconds(3)], []),
        ([seconds(3), seconds(10.2)], ["unavailable-too-long"]),
        ([seconds(12, at_least=True)], ["unavailable-too-long"]),
        ([seconds(9, at_least=True)], ["objective-not-judged"]),
        ([seconds(None, why="no beats")], ["objective-not-judged"]),
        ([seconds(None, why="no beats"), seconds(11)], ["objective-not-judged", "unavailable-too-long"]),
    ],
)
def test_the_recovery_time_is_within_beyond_or_unknown(measured, names):
    assert [one.name for one in objectives.without_service({"rto_s": 10}, measured)] == names
    assert list(objectives.without_service({}, measured)) == []


def lost(count: int, **more: object) -> Losses:
    writes = tuple(Write(seq, "a", seq, seq, seq, "accepted", f"id-{seq}") for seq in range(count))
    return Losses("after-failover", accepted=100, lost=writes, seconds=seconds(2.0), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "found", "findings"),
    [
        ({}, lost(0), []),
        ({}, lost(7), [("lost-writes", "failed")]),
        ({"rpo_writes": 7}, lost(7), [("lost-writes", "told")]),
        ({"rpo_writes": 6}, lost(7), [("lost-writes", "failed"), ("rpo-missed", "failed")]),
        ({"rpo_writes": 9, "rpo_s": 1}, lost(7), [("lost-writes", "failed"), ("rpo-missed", "failed")]),
        ({"rpo_writes": 9}, lost(0, why_not="blind"), [("objective-not-judged", "invalid")]),
        ({}, lost(3, why_not="blind"), []),
    ],
)
def test_lost_writes_are_a_failure_unless_an_objective_allows_them(wanted, found, findings):
    assert [(one.name, one.verdict) for one in objectives.writes_lost(wanted, [found])] == findings


def test_a_lost_write_is_named_by_its_id_and_a_long_list_is_counted() -> None:
    (one,) = objectives.writes_lost({}, [lost(7)])
    assert (one.name, one.text.startswith("after-failover: 7 of 100 ")) == ("lost-writes", True)
    assert re.findall(r"id-\d+|\d+ more", one.text) == ["id-0", "id-1", "id-2", "id-3", "id-4", "2 more"]
    (none,) = objectives.writes_lost({"rpo_s": 1}, [])
    assert (none.name, none.text.startswith("rpo_s 1 ")) == ("objective-not-judged", True)
