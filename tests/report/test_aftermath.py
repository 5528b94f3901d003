"""The first sentence of a page on what the drill left: from what it changed, never from the verdict's word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.report.build import read_given, report_of
from chaosdrill.report.run_page import aftermath
from chaosdrill.report.texts import Words
from chaosdrill.report.view import view_of
from tests.synthetic_run import FAULT_S, make_run

EN, JA = Words("en"), Words("ja")
INTERRUPTED = {"s": 12, "event": "interrupted", "signal": "SIGINT", "phase": "method"}
REFUSED = {"s": 1, "event": "refused", "why": "no approver"}


def action(
    at_s: float, phase: str, name: str, func: str, status: str = "succeeded", **more: Any
) -> list[dict[str, Any]]:
    step = {
        "activity": name, "phase": phase, "type": "action", "module": "chaosdrill.x.actions", "func": func,
        "arguments": {}, **more,
    }  # fmt: skip
    ended = {"status": status, "output": {}, "error": "", "error_kind": "", "tolerance": None, "tolerance_met": None}
    return [
        {"s": at_s, "event": "activity-started", **step},
        {"s": at_s + 0.1, "event": "activity-ended", **step, **ended},
    ]


def only(*actions: list[dict[str, Any]]) -> Callable[[Any], Any]:
    """A drill whose activities are these, and nothing else."""

    def change(rows: Any) -> Any:
        kept = [row for row in rows if row["event"] not in ("activity-started", "activity-ended")]
        return [*kept, *(event for them in actions for event in them)]

    return change


INJECT = action(FAULT_S, "method", "inject", "inject_packet_loss")
HEAL = action(20, "rollbacks", "heal", "heal_packet_loss")
FOREIGN = action(6, "method", "restart-pods", "restart", module="somebody.else")
LOAD = action(1, "setup", "start-load", "start_load")
STOP_LOAD = action(21, "rollbacks", "stop-load", "stop_load")


@pytest.mark.parametrize(
    ("rows", "event", "keys"),
    [
        ([], REFUSED, ["untouched"]),
        ([LOAD, STOP_LOAD], REFUSED, ["undone"]),  # refused by the steady state: the setup had begun
        ([LOAD], REFUSED, ["not-undone"]),
        ([INJECT, HEAL], INTERRUPTED, ["undone"]),
        ([INJECT], INTERRUPTED, ["not-undone"]),
        ([LOAD, INJECT, STOP_LOAD, FOREIGN], INTERRUPTED, ["not-undone", "unknown"]),
    ],
)
def test_it_follows_from_what_was_changed_and_undone(tmp_path: Path, rows: Any, event: Any, keys: list[str]) -> None:
    run = make_run(tmp_path, events_of=lambda known: [*only(*rows)(known), event])
    view = view_of(read_given(run))
    for t in (EN, JA):
        texts = list(aftermath(view, t))
        beginnings = [t(f"aftermath.{key}", names="|").partition("|")[0] for key in keys]
        assert [text.startswith(one) for text, one in zip(texts, beginnings, strict=True)] == [True] * len(keys)
    page = report_of(run)
    told = page[page.index('id="verdict"') : page.index('class="numbers"')]
    assert all(text in told for text in aftermath(view, EN))
    assert ("inject" in "".join(aftermath(view, EN))) == (INJECT in rows and HEAL not in rows)


def test_a_drill_that_passed_and_left_nothing_says_no_more(tmp_path: Path) -> None:
    view = view_of(read_given(make_run(tmp_path)))
    assert view.judgement.verdict == "passed"
    assert [text for text in aftermath(view, EN) if "inject" in text] == []


@pytest.mark.parametrize("verdict", ["refused", "interrupted"])
def test_the_word_of_the_verdict_alone_promises_nothing(verdict: str) -> None:
    for t in (EN, JA):
        assert [
            one for one in ("undone", "touched", "元に戻", "変更を加え") if one in t(f"verdict-means.{verdict}")
        ] == []
