"""What people are notified of when a run has ended: its verdict, its figures, and the last comparable run."""

from pathlib import Path
from typing import Any

import pytest

from chaosdrill.gamedays.events import Notification
from chaosdrill.gamedays.notifications import run_facts as run_facts_module
from chaosdrill.gamedays.notifications.run_facts import run_facts
from chaosdrill.gamedays.notifications.texts import message_of
from tests.compared_runs import figure, judgement, write_run
from tests.gameday_calendars import OCCURRENCE, calendar_with

FIRST, SECOND, THIRD = (f"2026050{day}T093000Z-failover-ab1{day}" for day in (1, 2, 3))
SLOW = judgement(20.0, lost_writes_after_failover=figure(3.0, "writes", 0.0, 1.0))


def change(facts: dict[str, Any], name: str) -> tuple[str, bool | None]:
    one = facts["compared"]["changes"][name]
    return str(one["change"]), one["exceeds"]


def test_a_run_is_compared_with_the_last_one_before_it(tmp_path: Path) -> None:
    write_run(tmp_path, FIRST, judgement=SLOW)
    write_run(tmp_path, SECOND)
    write_run(tmp_path, "20260509T093000Z-failover-ab19", judgement=SLOW)
    facts = run_facts(write_run(tmp_path, THIRD, judgement=SLOW))
    assert facts["compared"]["run"] == SECOND
    assert change(facts, "recovery_fail_over_s") == ("10.7 s ± 0.8 s", True)
    assert change(facts, "recovery_fail_back_s")[1] is False
    assert change(facts, "lost_writes_after_failover") == ("3 writes", True)
    assert str(facts["figures"]["recovery_fail_over_s"]) == "20.0 s ± 0.4 s"


@pytest.mark.parametrize(
    "more", [{"verdict": "invalid"}, {"target": "aws"}, {"scale": 1.0}, {"broken": ["stale-dns"]}, {"version": 99}]
)
def test_a_run_that_is_not_comparable_is_passed_over(tmp_path: Path, more: dict[str, Any]) -> None:
    write_run(tmp_path, FIRST)
    write_run(tmp_path, SECOND, **more)
    write_run(tmp_path, "20260502T103000Z-other-ab12")
    assert run_facts(write_run(tmp_path, THIRD))["compared"]["run"] == FIRST


def test_the_first_run_says_that_none_is_comparable(tmp_path: Path) -> None:
    assert run_facts(write_run(tmp_path, FIRST))["compared"] == {"run": "", "changes": {}}


def test_a_run_that_proved_nothing_is_compared_with_none(tmp_path: Path) -> None:
    write_run(tmp_path, FIRST)
    facts = run_facts(write_run(tmp_path, SECOND, verdict="invalid", reasons=["the load was silent"]))
    assert "compared" not in facts
    assert (facts["verdict"], facts["reason"]) == ("invalid", "the load was silent")


def test_a_comparison_that_fails_keeps_nothing_else_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_directory: Path) -> list[Any]:
        raise OSError("the store is gone")

    monkeypatch.setattr(run_facts_module, "catalogue", fail)
    facts = run_facts(write_run(tmp_path, FIRST))
    assert ("compared" in facts, facts["verdict"]) == (False, "passed")


def test_a_run_without_a_summary_is_named_alone(tmp_path: Path) -> None:
    (tmp_path / FIRST).mkdir()
    assert run_facts(tmp_path / FIRST) == {"run": FIRST}


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Verdict: failed", "Recovery time, failover: 20.0 s ± 0.4 s", f"Compared with: {FIRST}", "10.7 s"]),
        ("ja", ["判定: 不合格", "復旧時間 (切替): 20.0 秒 ± 0.4 秒", f"比較対象: {FIRST}", "10.7 秒"]),
    ],
)
def test_the_text_has_verdict_figures_and_comparison(tmp_path: Path, language: str, expected: list[str]) -> None:
    write_run(tmp_path, FIRST)
    facts = run_facts(write_run(tmp_path, SECOND, judgement=SLOW, verdict="failed", report="report.html"))
    message = message_of(calendar_with(), Notification("finished", OCCURRENCE, facts), language)
    assert [one for one in [*expected, f"{SECOND}/report.html"] if one not in message.text] == []
    assert message.priority == "high"
