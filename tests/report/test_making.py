"""Reports of runs in every state, as the command makes them and as the end of a drill does."""

import html
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from importlib import util

import pytest
from click.testing import CliRunner

from chaosdrill.analysis.findings import Finding
from chaosdrill.analysis.judgement import judge
from chaosdrill.analysis.measurement import Measured
from chaosdrill.cli import cli
from chaosdrill.messages import as_it_is, sentence
from chaosdrill.report import build
from chaosdrill.report.build import read_given, report_of, write_report
from chaosdrill.report.figure_texts import figure_text, in_milliseconds, number
from chaosdrill.report.run_page import run_page
from chaosdrill.report.texts import Words
from chaosdrill.report.view import view_of
from chaosdrill.runs import read_run
from chaosdrill.runs.imports.importing import import_journal
from tests.failing import fails_with
from tests.synthetic_run import FAIL_OVER_S, HOME, STANDBY, make_run, ns, utc
from tests.unit.test_runs_import import EXPERIMENT, run_by_chaos_toolkit

EN, JA = Words("en"), Words("ja")


def text_of(page: str) -> str:
    """What a reader reads, without the data and the scripts."""
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def report(*arguments: str):
    return CliRunner().invoke(cli, ["report", *arguments])


def test_the_report_of_a_drill_is_made_from_the_run_that_was_judged(tmp_path, monkeypatch):
    """At the end of a drill the run is read and judged once; the page is the one that `chaosdrill report` makes."""
    directory = make_run(tmp_path)
    events = (directory / "history.jsonl").read_text()
    (directory / "history.jsonl").write_text(events[: events.rstrip("\n").rindex("\n") + 1])  # not closed yet
    run = read_run(directory, still_open=True)
    judged = run, judge(run)
    (directory / "history.jsonl").write_text(events)
    afterwards = report_of(directory)
    monkeypatch.setattr("chaosdrill.analysis.judgement.judge", None)
    monkeypatch.setattr("chaosdrill.runs.read_run", None)
    assert report_of(directory, judged=judged) == afterwards


def test_the_first_screen_says_verdict_numbers_and_objectives(run):
    text = text_of(report_of(run))
    took = "3.92 s ± 0.05 s"
    there, back = EN("short.recovery_fail_over_s"), EN("short.recovery_fail_back_s")
    assert f"{EN('verdict.passed')} {EN('verdict-means.passed')}" in text
    assert f"{EN('number.recovery')} {EN('badge.lab-scaled', scale=0.1)} {there} {took} {back} {took}" in text
    assert f"{EN('number.lost')} {EN('short.lost_writes_after_failback')} 0 writes ± 0" in text
    assert re.search(rf"{EN('number.availability')} {EN('short.availability')} \d\d\.\d+ % ± 0", text)
    most, least, met = (partial(EN, "objective.at-most"), partial(EN, "objective.at-least"), f"✓ {EN('met.yes')}")
    assert re.search(rf"{EN('objective.rto_s')} rto_s {most(value='60 s')} {there}: {took} .*? {met}", text)
    assert re.search(rf"{EN('objective.availability_ratio')} availability_ratio {least(value='50 %')} .*? {met}", text)
    budget = EN("objective.budget", phase=EN("moment.database-switched"))
    assert re.search(rf"{budget} budget database-switched {most(value='5 s')} {there}: .*? {met}", text)


def test_an_objective_that_was_missed_and_one_that_nobody_can_judge(tmp_path):
    def harder(rows):
        wanted = {"rto_s": 2.0, "availability_ratio": 0.99, "rpo_s": 1, "budgets": {"dns-changed": 1}}
        return [{**row, "objectives": wanted} if row["event"] == "drill-opened" else row for row in rows]

    view = view_of(read_given(make_run(tmp_path, events_of=harder)))
    met = {one.name: one.met for one in view.headline.objectives}
    assert met == {"rto_s": False, "rpo_s": True, "availability_ratio": False, "budget dns-changed": False}
    assert view.headline.verdict == "failed"
    without = view_of(read_given(make_run(tmp_path / "2", events_of=harder, ledger_of=lambda rows: rows[:1])))
    assert {one.name: one.met for one in without.headline.objectives}["rpo_s"] is None


def test_why_it_failed_is_said_in_the_readers_language(tmp_path):
    def harder(rows):
        return [{**row, "objectives": {"rto_s": 2.0}} if row["event"] == "drill-opened" else row for row in rows]

    directory = make_run(tmp_path, events_of=harder)
    why = view_of(read_given(directory)).judgement.reasons[0]
    japanese = text_of(report_of(directory, "ja"))
    assert JA.say(why) in japanese
    assert JA.say(why) != why
    assert why not in japanese
    assert why in text_of(report_of(directory))


def test_a_reason_that_nobody_can_say_in_japanese_stands_behind_its_meaning(run):
    view = view_of(read_given(run))
    found = Finding("crashed", "invalid", as_it_is("it was \x1b so"))
    judged = replace(view.judgement, verdict="invalid", reasons=(found.text,), findings=(found,))
    page = run_page(replace(view, judgement=judged), "ja")
    assert f'{JA("finding.crashed")}<br><span lang="en">it was \\x1b so</span>' in page


def test_the_waterfall_holds_what_happened_when(run):
    view = view_of(read_given(run))
    lanes = {lane.name: lane.bars for lane in view.timeline.lanes}
    state = [(bar.label, bar.colour) for bar in lanes["region-state"]]
    home, standby = (f"serving({HOME})", "region-1"), (f"serving({STANDBY})", "region-2")
    assert state == [home, ("moving", "neutral"), standby, ("moving", "neutral"), home]
    switch = next(bar for bar in lanes["step-functions"] if bar.label == "SwitchRoute53Arc")
    assert (switch.since_ns, switch.until_ns) == (ns(FAIL_OVER_S + 1.1), ns(FAIL_OVER_S + 1.2))
    assert [bar.colour for bar in lanes["aurora"]] == ["region-1", "region-2", "region-1"]
    assert [bar.colour for bar in lanes["lookups"]] == ["region-1", "region-2", "region-1"]
    assert len(lanes["heartbeat write"]) == 2
    assert [part.name for part in view.timeline.parts] == ["fail-over", "fail-back"]
    assert {"noticed", "flag-closed", "database-switched", "sustained"} <= set(lanes)


def test_the_ledger_is_told_by_id_beside_the_databases_own_account(tmp_path):
    def lost(rows):
        gone = {60, 61}
        return [row for row in rows if not (row.get("row") == "found" and row["seq"] in gone)] + [
            {"row": "found", "label": "after-failback", "seq": seq, "id": f"id-{seq}", "state": "missing",
             "region": HOME, "seen_ns": ns(46)} for seq in gone
        ]  # fmt: skip

    text = text_of(report_of(make_run(tmp_path, ledger_of=lost)))
    assert f"{EN('writes.lost')} 2 writes ± 0" in text
    assert f"{EN('read-back.after-failback')}: {EN('group.lost')}, 2 id-60 id-61" in text
    assert f"{EN('writes.databases-say', n=0, region=STANDBY)}, ✗ {EN('writes.differ', n=2)}" in text
    assert "lost-writes" in text
    assert "losses-contradict" in text


def test_the_hypothesis_is_told_before_during_and_after(tmp_path):
    def checked(rows):
        def ended(at_s, phase, output, met):
            step = {"activity": "one-serves", "phase": phase, "type": "probe", "module": "m", "func": "f"}
            return {"s": at_s, "event": "activity-ended", **step, "status": "succeeded", "output": output, "error": "",
                    "error_kind": "", "tolerance": "serving", "tolerance_met": met}  # fmt: skip

        sampled = {"event": "hypothesis-sampled", "activity": "one-serves", "tolerance": "serving"}
        return [
            *rows,
            ended(1, "steady-state-before", "serving", True),
            {"s": 11, **sampled, "output": "dark", "tolerance_met": False, "error": ""},
            {"s": 12, **sampled, "output": None, "tolerance_met": None, "error": "nobody answered"},
            ended(20, "steady-state-after", "serving", True),
        ]

    text = text_of(report_of(make_run(tmp_path, events_of=checked)))
    met, missed, unknown = f"✓ {EN('met.yes')}", f"✗ {EN('met.no')}", f"? {EN('met.unknown')}"
    tolerance, before, after = ("serving",) * 3
    assert f"one-serves {tolerance} {before} {met} dark {missed} nobody answered {unknown} {after} {met}" in text


def test_everything_that_ran_is_there_with_arguments_outputs_and_errors(tmp_path):
    def failing(rows):
        step = {"activity": "bad-step", "phase": "method", "type": "action", "module": "x.actions", "func": "act"}
        ended = {"status": "failed", "output": None, "error": "it broke <here>", "error_kind": "", "tolerance": None}
        return [
            *rows,
            {"s": 12, "event": "activity-started", **step, "arguments": {"percent": 30}},
            {"s": 13, "event": "activity-ended", **step, **ended, "tolerance_met": None, "duration_s": 1.0},
            {"s": 14, "event": "activity-started", **step, "activity": "no-end", "arguments": {}},
        ]

    text = text_of(report_of(make_run(tmp_path, events_of=failing)))
    assert f"bad-step act 1.00 s ✗ {EN('status.failed')}" in text
    assert '"percent": 30' in text
    assert "it broke <here>" in text
    assert f"no-end act ✗ {EN('status.no-end')}" in text


def test_a_killed_drill_is_shown_as_far_as_it_goes(run):
    lines = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
    (run / "history.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    shutil.rmtree(run / "records")
    text = text_of(report_of(run))
    assert EN("note.not-ended") in text
    assert "history-broken" in text
    assert EN("measured.not", why="") in text


def test_a_drill_that_was_refused(tmp_path):
    def refused(rows):
        return [row for row in rows if row["event"] == "drill-opened"] + [
            {"s": 1, "event": "refused", "where": "opening", "why": "home does not serve"}
        ]

    run = make_run(tmp_path, events_of=refused)
    shutil.rmtree(run / "records")
    view = view_of(read_given(run))
    assert view.headline.verdict == "refused"
    assert {one.met for one in view.headline.objectives} == {None}
    text = text_of(report_of(run))
    assert EN("verdict-means.refused") in text
    assert "home does not serve" in text


def test_what_was_judged_otherwise_then_is_told(run, tmp_path):
    def edited(rows):
        return [{**row, "verdict": "failed"} if row["event"] == "drill-closed" else row for row in rows]

    text = text_of(report_of(make_run(tmp_path / "2", events_of=edited)))
    note = "note.judged-otherwise"
    assert EN(note, then=EN("verdict.failed"), now=EN("verdict.passed")) in text
    assert EN(note).partition("{")[0] not in text_of(report_of(run))


def test_a_summary_of_a_newer_version_is_not_misread(run):
    (run / "summary.json").write_text(json.dumps({"version": 99, "verdict": "failed", "title": "of tomorrow"}))
    (note,) = view_of(read_given(run)).notes
    assert (note.values["file"], note.values["why"].values) == ("summary.json", {"version": "99", "known": 3})
    text = text_of(report_of(run))
    assert str(note) in text
    assert "of tomorrow" not in text


def test_a_lab_that_was_broken_on_purpose_and_a_dry_run_say_so(tmp_path):
    def dry(rows):
        return [{**row, "dry": "actions"} if row["event"] == "drill-opened" else row for row in rows]

    run = make_run(tmp_path, events_of=dry)
    (run / "summary.json").write_text(json.dumps({"version": 3, "verdict": "invalid", "broken": ["two-writers"]}))
    text = text_of(report_of(run))
    assert EN("note.broken", how="two-writers") in text
    assert EN("note.dry") in text


def test_a_run_that_has_a_summary_alone_is_shown(tmp_path):
    said_ = {"version": 3, "verdict": "passed", "reasons": [], "title": "from elsewhere", "source": "imported"}
    said_["hypothesis"] = [{"probe": "p", "tolerance": 1, "before": [{"value": 1, "met": True, "times": 3}]}]
    (tmp_path / "summary.json").write_text(json.dumps(said_))
    text = text_of(report_of(tmp_path))
    assert "from elsewhere" in text
    assert f"1 \N{MULTIPLICATION SIGN} 3 ✓ {EN('met.yes')}" in text
    assert EN("timeline.none") in text


def test_an_imported_journal_says_what_it_is_and_shows_its_steps(tmp_path):
    journal = run_by_chaos_toolkit(tmp_path, EXPERIMENT)
    (tmp_path / "journal.json").write_text(json.dumps(journal))
    (tmp_path / "runs").mkdir()
    run = tmp_path / "runs" / import_journal(tmp_path / "journal.json", tmp_path / "runs")
    view = view_of(read_given(run))
    assert [lane.name for lane in view.timeline.lanes] == ["action", "probe"]
    assert all(bar.since_ns < bar.until_ns for lane in view.timeline.lanes for bar in lane.bars)
    text = text_of(report_of(run))
    assert EN("note.imported") in text
    assert EN("note.not-ended") not in text


@pytest.mark.parametrize("said_", [None, "[1, 2]", "{", '{"version": 99}', '{"hello": "world"}'])
def test_a_directory_without_a_run_is_refused(tmp_path, said_):
    if said_ is not None:
        (tmp_path / "summary.json").write_text(said_)
    (tmp_path / "journal.json").write_text('{"foreign": true}')
    with fails_with("run-empty"):
        report_of(tmp_path)
    assert list(tmp_path.glob("*.html*")) == []


def test_a_part_that_cannot_be_worked_out_is_told_and_the_rest_is_shown(run, monkeypatch):
    from chaosdrill.report import view

    def broken(*_):
        raise KeyError("an imaginary defect")

    monkeypatch.setattr(view, "writes", broken)
    text = text_of(report_of(run))
    assert EN("note.problem", part=EN("part.writes"), why="KeyError: 'an imaginary defect'") in text
    assert (
        f"{EN('number.recovery')} {EN('badge.lab-scaled', scale=0.1)} {EN('short.recovery_fail_over_s')} 3.92 s" in text
    )


def test_the_same_run_makes_the_same_page_whatever_was_written_before(run):
    first = report_of(run)
    write_report(run)
    assert report_of(run) == first


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_it_into_the_run_and_says_where(run):
    done = report(str(run))
    assert (done.exit_code, done.output.strip()) == (0, str(run / "report.html"))
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert not list(run.glob("*.part"))


def test_the_command_for_machines_in_japanese_to_a_file_of_one_s_own(run, tmp_path):
    path = tmp_path / "ja.html"
    done = report(str(run), "--lang", "ja", "--output", str(path), "--json")
    told = json.loads(done.output)
    assert told == {"run": run.name, "report": str(path), "language": "ja", "bytes": path.stat().st_size}
    text = text_of(path.read_text())
    assert "合格 passed 計画した手順をすべて実施・確認し" in text
    assert "復旧時間 ラボ、待ち時間 × 0.1 切替 3.92 秒 ± 0.05 秒" in text
    assert not (run / "report.html").exists()


def test_the_newest_run_and_the_beginning_of_an_id(run, monkeypatch):
    monkeypatch.setenv("CHAOSDRILL_RUNS", str(run.parent))
    for arguments in ((), (run.name[:12],)):
        assert report(*arguments).output.strip() == str(run / "report.html")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("no-such-run",), ["'no-such-run'", "[run-missing]"]),
        (
            ("{run}", "--output", "{run}/no/such/file.html"),
            ["/no/such/file.html:", "--output", "[output-not-writable]"],
        ),
        (("{run}", "--lang", "fr"), ["'--lang'", "'fr'", "'en'", "'ja'"]),
        (("{run}/records",), ["/records", "[run-empty]"]),
    ],
)
def test_what_the_command_cannot_do_it_says_with_the_way_out(run, monkeypatch, arguments, named):
    monkeypatch.setenv("CHAOSDRILL_RUNS", str(run.parent))
    done = report(*(one.format(run=run) for one in arguments))
    assert done.exit_code == 2
    assert [one for one in named if one not in done.output] == []
    assert not (run / "report.html").exists()


def test_without_the_extra_it_says_how_to_install_it(run, monkeypatch):
    found = util.find_spec
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "plotly" else found(name))
    done = report(str(run))
    assert done.exit_code == 2
    assert "[report-not-installed]" in done.output
    assert "'jinja2>=" in done.output


# Figures in words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "english", "japanese"),
    [
        (Measured(9.27, "s", "", 0.05, 0.4), "9.3 s ± 0.4 s", "9.3 秒 ± 0.4 秒"),
        (Measured(0.84213, "ratio", "", 0.0003, 0.0), "84.21 % ± 0", "84.21 % ± 0"),
        (Measured(0.5, "ratio", "", 0.01, 0.02), "50 % ± 2 %", "50 % ± 2 %"),
        (
            Measured(3.0, "s", "", 0.1, None, "", True),
            "at least 3 s (uncertainty not known)",
            "3 秒以上 (不確かさ不明)",
        ),
        (Measured(0.0, "writes", "", 1.0, 0.0), "0 writes ± 0", "0 件 ± 0"),
        (Measured(None, "s", "", why="no beats"), "not measured: no beats", "未測定: 「no beats」"),
        (
            Measured(None, "s", "", why=sentence("no write was tried")),
            "not measured: no write was tried",
            "未測定: 書込みが試行されていません",
        ),
        (Measured(None, "s", ""), "not measured: no reason is known", "未測定: 理由不明"),
    ],
)
def test_a_figure_is_never_more_exact_than_it_is_known(measured, english, japanese):
    assert (str(figure_text(measured, EN)), str(figure_text(measured, JA))) == (english, japanese)


def test_units():
    assert str(in_milliseconds(Measured(0.00236, "s", "", None, 0.0001), EN)) == "2.36 ms ± 0.10 ms"
    assert [number(value, "writes", EN) for value in (0, 1, 2)] == ["0 writes", "1 write", "2 writes"]
    assert (number(0.995, "ratio", EN), number(300, "s", JA)) == ("99.5 %", "300 秒")


def test_times_are_utc_whatever_the_machine_s_zone(run, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert utc(FAIL_OVER_S)[11:23] in report_of(run)


def test_local_times_stand_beside_utc(run, tmp_path, monkeypatch):
    beside = tmp_path / "page.html"
    assert report(str(run), "--tz", "Asia/Tokyo", "-o", str(beside)).exit_code == 0
    text = text_of(beside.read_text())
    assert "Began: 2026-05-01 09:29:58 UTC (18:29:58 JST)" in text
    assert f"{EN('fact.time-zone')}: JST = UTC+09:00" in text
    assert f"{EN('moment.failover-started')} failover-started 09:30:10.000 18:30:10 JST" in text
    assert "18:30:10 JST" in beside.read_text().partition('id="told">')[2]  # of the figure
    monkeypatch.setenv("CHAOSDRILL_TZ", "America/New_York")
    assert report(str(run), "-o", str(beside)).exit_code == 0
    assert "(05:29:58 EDT)" in text_of(beside.read_text())
    monkeypatch.setenv("CHAOSDRILL_TZ", "UTC")
    assert report(str(run), "-o", str(beside)).exit_code == 0
    assert "Began: 2026-05-01 09:29:58 UTC " in text_of(beside.read_text())
    assert EN("fact.time-zone") not in text_of(beside.read_text())
    unknown = report(str(run), "--tz", "Asia/Tokio")
    assert unknown.exit_code == 2
    assert "[time-zone-unknown]" in unknown.output


@pytest.mark.parametrize(("scale", "words"), [(0.2, "× 0.2"), (1, "× 1"), (None, "")])
def test_the_first_thing_on_a_page_from_the_lab_is_that_its_times_are_no_system_s(tmp_path, scale, words):
    def scaled(rows):
        return [{**row, "scale": scale} if row["event"] == "target-opened" else row for row in rows]

    view = view_of(read_given(make_run(tmp_path, events_of=scaled)))
    assert (view.is_lab, view.scale) == (True, scale)
    for language, t in (("en", EN), ("ja", JA)):
        page = run_page(view, language)
        banner = re.search(r'<p class="banner">(.*?)</p>', page)
        expected = t("note.lab") if scale is None else t("note.lab-scaled", scale=f"{scale:g}")
        assert html.unescape(banner[1]) == expected
        assert words in banner[1]
        assert banner.start() < page.index('id="verdict"')
        assert page.count('class="badge lab"') == 1


def test_a_page_of_a_real_system_has_no_such_banner(tmp_path):
    def real(rows):
        return [{**row, "target": "aws"} if row["event"] == "target-opened" else row for row in rows]

    page = report_of(make_run(tmp_path, events_of=real))
    assert 'class="banner"' not in page
    assert 'class="badge lab"' not in page
