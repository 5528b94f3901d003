"""What a drill shows on the terminal: its progress line, its last lines, and what narrow terminals make of both."""

import io
import json
import logging
import subprocess
import sys
import time
import warnings

import pytest

from chaosdrill.analysis import StatePeriod, Verdict
from chaosdrill.analysis.measurement import Measured
from chaosdrill.controls import display
from chaosdrill.controls.display import Status, take_colours_out_of_logs
from chaosdrill.controls.progress import (
    CurrentOutage,
    RemainingTime,
    TimeLeft,
    earlier_durations,
    number_of,
    planned_steps,
)
from chaosdrill.controls.settings import read_settings
from chaosdrill.controls.summary import summary
from chaosdrill.errors import codes_of
from chaosdrill.messages import sentence
from chaosdrill.report.last_lines import last_lines
from chaosdrill.terminal_text import REPLACE
from tests.small_drills import do, experiment, step, undo

RUN = {"target": "lab", "scale": 0.2, "run_directory": "/r/run", "run_id": "run", "report": "report.html"}


def figures(**values):
    found = {}
    for name, value in values.items():
        unit = "writes" if name.startswith("lost") else "s"
        found[name] = Measured(value, unit, sentence("heartbeat"), 0.1).as_json()
    return {"figures": found}


def said(word="passed", reasons=("held",), judgement=None, **run):
    return summary(Verdict(word, reasons), (StatePeriod("moving", 4.0),), None, "no load", {**RUN, **run}, judgement)


def test_a_drill_ends_with_six_lines_and_the_path_is_whole():
    measured = {"recovery_fail_over_s": 4.3, "recovery_fail_back_s": None}
    lost = {"lost_writes_after_failover": 0, "lost_writes_after_failback": 2}
    rows = last_lines(said(judgement=figures(**measured, **lost)), "en")
    assert rows == [
        ("verdict", "passed (lab, waits × 0.2: not a real system's recovery time)"),
        ("why", "held"),
        ("recovery", "failover 4.3 s, failback not measured"),
        ("lost writes", "after the failover 0 writes, after the failback 2 writes"),
        ("report", "/r/run/report.html"),
        ("details", "chaosdrill runs show run"),
    ]


def test_what_stays_in_force_is_named_with_the_way_back_in_six_lines():
    measured = {"recovery_fail_over_s": 4.3, "lost_writes_after_failover": 0}
    owed = ("lose packets", "fail over")
    for language, way in (("en", "`chaosdrill rescue run`"), ("ja", "`chaosdrill rescue run`")):
        rows = last_lines(said("failed", judgement=figures(**measured)), language, owed=owed)
        assert len(rows) == 6
        assert rows[2][1].startswith(", ".join(owed))
        assert way in rows[2][1]


@pytest.mark.parametrize(
    ("figure", "label", "line"),
    [
        ("recovery_s", "recovery", "after the fault 0 s"),
        ("recovery_fail_back_s", "recovery", "failback 0 s"),
        ("lost_writes_by-hand", "lost writes", "by-hand 0 writes"),  # a read-back is called what its step says
    ],
)
def test_each_figure_at_the_end_says_what_it_is_of(figure: str, label: str, line: str) -> None:
    assert dict(last_lines(said(judgement=figures(**{figure: 0})), "en"))[label] == line


def test_the_first_reason_is_shown_and_the_others_are_counted():
    rows = dict(last_lines(said("refused", ("one: wrong\ntwo: wrong", "three"), broken=["stop-flag-ignored"]), "en"))
    assert rows["why"] == "one: wrong (and 2 more)"
    assert rows["verdict"].startswith("refused (")
    assert " stop-flag-ignored;" in rows["verdict"]
    assert len(dict(last_lines(said("failed", ("x" * 5000,)), "en"))["why"]) == 400
    assert "verdict" in dict(last_lines(said("refused", ()), "en"))


def test_a_real_system_has_no_banner_and_text_of_others_obeys_no_terminal():
    rows = dict(last_lines(said(target="aws", scale=1.0, reasons=("\x1b[2J gone",)), "en"))
    assert rows["verdict"] == "passed"
    assert rows["why"] == "\\x1b[2J gone"


def test_the_last_lines_are_japanese_where_the_environment_says_so(monkeypatch):
    monkeypatch.setenv("CHAOSDRILL_LANG", "ja")
    rows = dict(last_lines(said(judgement=figures(recovery_fail_over_s=4.3))))
    assert rows["判定"].startswith("合格 (ラボ")
    assert rows["復旧時間"] == "切替 4.3 秒"


def test_an_unknown_language_is_refused_before_anything_is_touched_and_can_still_be_reported(monkeypatch):
    monkeypatch.setenv("CHAOSDRILL_LANG", "fr")
    monkeypatch.setenv("CHAOSDRILL_TZ", "Asia/Tokio")
    _, problems = read_settings({})
    assert codes_of(problems) == ["language-unknown", "time-zone-unknown"]
    assert last_lines(said("refused", tuple(problems)))[0][0] == "verdict"


def test_the_progress_line_has_step_outage_and_time_left():
    began = time.monotonic() - 61
    status = Status("method", "fail-over", "moving", 0.537, 0.2, began, 7, 28, 4.2, RemainingTime(93.0, False))
    whole = "  61 s | step 7 of 28: fail-over | OUTAGE 4 s | about 95 s left | moving | errors 53.7% | lab, waits × 0.2"
    assert status.line() == whole
    assert status.line(80) == "  61 s | step 7 of 28: fail-over | OUTAGE 4 s | about 95 s left | moving"
    status.activity, status.region = "load-without-errors-in-standby", "serving(ap-northeast-3)"
    assert status.line(80) == "  61 s | step 7 of 28: load-without-errors-in-st… | OUTAGE 4 s | about 95 s left"
    assert len(status.line(40)) == 40
    assert Status(started=began).line() == "  61 s | starting | ? | no requests"
    assert RemainingTime(200, True).in_words() == "at least about 3 min left"


def test_steps_are_numbered_through_the_whole_drill_and_skipped_ones_are_counted():
    probe = step("probe", "steady", "answer", 1, value=1)
    what = experiment([do("work"), do("more")], [undo("unwork", "work")], [probe])
    steps = planned_steps(what, [do("prepare")], {})
    assert [one.name for one in steps] == ["prepare", "steady", "work", "more", "steady", "unwork"]
    assert number_of(steps, "steady-state-before", "steady", 1) == 2
    assert number_of(steps, "steady-state-after", "steady", 2) == 5
    assert number_of(steps, "rollbacks", "unwork", 3) == 6
    assert number_of(steps, "method", "not planned", 3) == 3


def test_time_left_comes_from_earlier_runs_or_from_the_experiments_own_waits():
    waits = do("work", pauses={"before": 2, "after": 3})
    window = step("probe", "window", "answer", 1, window_s="${window_s}")
    steps = planned_steps(experiment([waits, window]), [], {"window_s": 10})
    assert TimeLeft(steps, []).left(100, 1) == RemainingTime(15, True)
    assert TimeLeft(steps, []).left(100, 2) == RemainingTime(10, True)
    assert TimeLeft(steps, [120, 100, 500]).left(100, 1) == RemainingTime(20, False)
    assert TimeLeft(steps, [120]).left(121, 1) is None
    assert TimeLeft((), []).left(1, 0) is None


def test_without_a_store_there_are_no_earlier_durations(tmp_path):
    assert earlier_durations(tmp_path / "nowhere" / "run", "lab", 0.2) == []


def beat(operation, due_s, status):
    return ["b", 1, operation, int(due_s * 1e9), 0, 1000, status, 200, "", "home"]


def test_the_outage_under_way_is_as_old_as_the_newest_beat_says(tmp_path):
    rows = [beat("read", 1000.0, 0), *(beat("read", 1000 + n / 4, 1) for n in range(1, 8))]
    (tmp_path / "beats.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    outage = CurrentOutage(tmp_path)
    assert outage.seconds() == pytest.approx(1.5)
    with open(tmp_path / "beats.jsonl", "a") as file:
        file.write(f"{json.dumps(beat('read', 1003.0, 0))}\n")
    assert outage.seconds() is None


def test_a_log_that_is_piped_has_no_colours_and_the_last_one_is_reset(monkeypatch):
    with warnings.catch_warnings(action="ignore"):
        from chaoslib.log import LogFormatter
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter("%(color)s[%(levelname)s]%(end_color)s %(message)s", "", {20: "\x1b[32m"}))
    logger = logging.getLogger("chaostoolkit")
    monkeypatch.setattr(logger, "handlers", [handler])
    logger.warning("x")
    handler.handle(logging.makeLogRecord({"msg": "before", "levelno": 20, "levelname": "INFO"}))
    take_colours_out_of_logs()
    take_colours_out_of_logs()
    handler.handle(logging.makeLogRecord({"msg": "after", "levelno": 20, "levelname": "INFO"}))
    assert stream.getvalue().endswith("\x1b[32m[INFO] before\n\x1b[39m[INFO] after\n")
    assert display.COLOUR_OFF == "\x1b[39m"


def test_a_character_that_an_encoding_lacks_is_written_in_ascii():
    assert "4.3 s ± 0.4 s, waits × 0.2 → 東京".encode("ascii", REPLACE) == (
        b"4.3 s +/- 0.4 s, waits x 0.2 -> \\u6771\\u4eac"
    )
    assert "± →".encode("latin-1", REPLACE) == b"\xb1 ->"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_the_summary_is_printed_on_a_narrow_terminal(encoding):
    program = (
        "from chaosdrill.controls.summary import print_summary; "
        "print_summary({'verdict': 'passed', 'reasons': ['a → b ± 1'], 'target': 'lab', 'scale': 0.2})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={"PYTHONIOENCODING": encoding}, check=True
    )
    assert b"a -> b" in done.stdout
