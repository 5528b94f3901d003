"""What commands write beside their tables: JUnit, CSV, completions; and what narrow terminals leave of a table."""

import csv
import io
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from chaosdrill.cli import cli, runs_list
from chaosdrill.controls import settings
from chaosdrill.controls.junit import VARIABLE as JUNIT
from chaosdrill.controls.junit import remove_earlier_junit, write_drill_junit
from chaosdrill.errors import codes_of
from chaosdrill.paths import VARIABLE
from chaosdrill.runs.csv_files import _cell
from chaosdrill.runs.junit import Case, cases_of_run, junit_xml
from tests.further import first_of
from tests.synthetic_run import RUN_ID, make_run


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    directory = make_run(tmp_path / "runs")
    assert run("runs", "judge").exit_code == 0, "it has a summary from here on"
    return directory


def run(*arguments, **environment):
    return CliRunner().invoke(cli, arguments, env=environment)


def counted(path):
    root = ElementTree.parse(path).getroot()
    return {name: int(root.get(name)) for name in ("failures", "errors")}, root


def test_a_judgement_is_a_test_suite(stored, tmp_path):
    path = tmp_path / "judged.xml"
    assert run("runs", "judge", "--junit", str(path)).exit_code == 0
    counts, root = counted(path)
    assert counts == {"failures": 0, "errors": 0}
    assert root.find("testsuite/testcase").get("name") == "verdict"
    assert root.find("testsuite/properties/property").get("value") == RUN_ID


def test_a_run_that_proved_nothing_is_an_error_and_never_green(stored, tmp_path):
    path = tmp_path / "judged.xml"
    (stored / "records" / "ledger.jsonl").unlink()
    assert run("runs", "judge", "--junit", str(path)).exit_code == 1
    counts, root = counted(path)
    assert counts["errors"] >= 1
    assert root.find("testsuite/testcase/error") is not None


def test_a_result_of_an_earlier_run_does_not_stay(stored, tmp_path):
    path = tmp_path / "judged.xml"
    path.write_text("green")
    assert run("runs", "judge", "nope", "--junit", str(path)).exit_code == 2
    assert not path.exists()
    bad = run("runs", "judge", "--junit", str(tmp_path / "nowhere" / "judged.xml"))
    assert (bad.exit_code, "[junit-unwritable]" in bad.stderr) == (2, True)


@pytest.mark.parametrize(
    ("verdict", "failures", "errors"), [("passed", 0, 0), ("failed", 1, 0), ("invalid", 0, 1), ("interrupted", 0, 1)]
)
def test_the_verdict_alone_decides_whether_a_suite_passes(verdict, failures, errors):
    text = junit_xml("x", cases_of_run(verdict, ["why"], (), ()), {})
    root = ElementTree.fromstring(text)
    assert (root.get("failures"), root.get("errors")) == (str(failures), str(errors))


def test_checks_that_were_not_read_are_errors_and_informational_findings_are_skipped():
    met, missed = {"value": 1, "met": True}, {"value": 2, "met": False}
    hypothesis = [{"probe": "p", "tolerance": 1, "before": [met], "after": [met, missed]}, {"probe": "q"}]
    findings = [{"name": "noted", "verdict": "told", "text": "x"}, {"name": "lost-writes", "verdict": "failed"}]
    outcomes = {one.name: one.outcome for one in cases_of_run("failed", (), findings, hypothesis)}
    assert outcomes == {
        "verdict": "failed",
        "p (before)": "passed",
        "p (after)": "failed",
        "q (before)": "error",
        "q (after)": "error",
        "noted": "skipped",
        "lost-writes": "failed",
    }


def test_text_that_is_no_xml_does_not_break_the_document():
    text = junit_xml("a\x00b", [Case("g", "<&>\x1b", "failed", "\ud800 ]]>")], {"k\x01": "\uffff"})
    assert ElementTree.fromstring(text).find("testsuite/testcase").get("name") == "<&>\N{REPLACEMENT CHARACTER}"


def test_gates_are_test_cases(stored, tmp_path):
    path = tmp_path / "gates.xml"
    gates = ["--gate", "recovery_time_s <= 0.1", "--gate", "verdict == passed", "--junit", str(path)]
    assert run("compare", *gates).exit_code == 1
    counts, root = counted(path)
    assert counts == {"failures": 1, "errors": 0}
    assert [one.get("name") for one in root.iter("testcase")] == ["recovery_time_s <= 0.1", "verdict == passed"]
    assert run("compare", RUN_ID, RUN_ID, "--junit", str(path)).exit_code == 2, "there is no result without a gate"


def test_the_drills_own_file_is_checked_before_and_an_earlier_one_removed(tmp_path, monkeypatch):
    monkeypatch.setenv(JUNIT, str(tmp_path / "nowhere" / "drill.xml"))
    _, problems = settings.read_settings({})
    assert codes_of(problems) == ["junit-unwritable"]
    path = tmp_path / "drill.xml"
    monkeypatch.setenv(JUNIT, str(path))
    path.write_text("green")
    remove_earlier_junit()
    assert not path.exists()
    write_drill_junit({"verdict": "refused", "reasons": ["no"], "experiment": "failover"})
    assert counted(path)[0] == {"failures": 0, "errors": 1}


def test_a_run_becomes_csv_files(stored, tmp_path):
    into = tmp_path / "out"
    done = run("runs", "export", "--csv", "--output", str(into))
    assert done.exit_code == 0, done.output
    rows = {path.stem: list(csv.reader(io.StringIO(path.read_text()))) for path in into.iterdir()}
    assert set(rows) >= {"verdict", "figures", "findings", "phases", "events", "beats", "requests", "ledger"}
    assert rows["verdict"][1][0] == "passed"
    figures = {row[0]: row for row in rows["figures"]}
    assert float(figures["recovery_fail_over_s"][1]) == pytest.approx(3.9, abs=0.2)
    assert {len(row) for row in rows["beats"]} == {len(rows["beats"][0])}
    assert rows["beats"][0][:2] == ["at", "source"]
    names, *left = rows["synthetic-writes"]
    assert names[:4] == ["id", "account", "quantity", "sent_at"]
    shown = json.loads(run("runs", "show", "--json").stdout)["synthetic_writes"]
    assert shown == {"writes": len(left), "accounts": len({row[1] for row in left})}
    assert 0 < shown["writes"] <= len(rows["ledger"])
    again = run("runs", "export", "--csv", "--output", str(into))
    assert (again.exit_code, "[export-unwritable]" in again.stderr) == (2, True)
    assert run("runs", "export", "--csv", "--evidence").exit_code == 2


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_a_spreadsheet_does_not_execute_a_cell(text):
    assert _cell(text) == f"'{text}"
    assert (_cell(-1), _cell("plain"), _cell({"a": 1})) == (-1, "plain", '{"a": 1}')


def listed(width, monkeypatch, *options):
    monkeypatch.setattr(runs_list, "WIDTH_IN_FILES", width)
    return run("runs", "list", *options)


def test_a_run_id_is_never_broken(stored, monkeypatch):
    for width in (20, 80, 160):
        done = listed(width, monkeypatch)
        assert RUN_ID in done.stdout, done.stdout
        assert "passed" in done.stdout
    assert "operator" in listed(160, monkeypatch).stdout
    narrow = listed(len(RUN_ID) + 30, monkeypatch)
    assert "operator" not in narrow.stdout
    assert "operator" in narrow.stderr
    assert max(map(len, narrow.stdout.splitlines())) <= len(RUN_ID) + 30


def test_times_have_the_readers_zone_beside_utc(stored):
    assert " JST" in run("runs", "list", "--tz", "Asia/Tokyo").stdout
    assert " JST" in run("runs", "list", CHAOSDRILL_TZ="Asia/Tokyo").stdout
    assert " UTC (" in run("runs", "show", "--tz", "Asia/Tokyo").stdout
    assert " JST)" in run("trend", "--tz", "Asia/Tokyo").stdout
    assert "local time" not in run("runs", "list", "--tz", "UTC").stdout
    bad = run("runs", "list", "--tz", "Asia/Tokio")
    assert (bad.exit_code, "[time-zone-unknown]" in bad.stderr) == (2, True)


def completions(*words):
    completer = BashComplete(cli, {}, "chaosdrill", "_CHAOSDRILL_COMPLETE")
    return [one.value for one in completer.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    "words", [("runs", "show"), ("runs", "judge"), ("runs", "verdict"), ("runs", "verify"), ("runs", "export")]
)
def test_run_ids_are_completed(stored, words):
    assert completions(*words, RUN_ID[:6]) == [RUN_ID]
    assert completions(*words, "nope") == []


@pytest.mark.parametrize("words", [("report",), ("watch",), ("compare",), ("runs", "tag")])
def test_run_ids_are_completed_for_other_commands(stored, words):
    assert completions(*words, "") == [RUN_ID]


@pytest.mark.parametrize("encoding", first_of(["ascii", "latin-1"]))
@pytest.mark.parametrize(
    "command", first_of([["runs", "show"], ["runs", "list"], ["runs", "judge"], ["trend"], ["--help"]], 2)
)
def test_a_narrow_terminal_breaks_no_command(stored, tmp_path, encoding, command):
    environment = {"PYTHONIOENCODING": encoding, VARIABLE: str(tmp_path), "LANG": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "chaosdrill.cli", *command], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode("latin-1")


def test_json_is_the_same_on_every_terminal(stored, tmp_path):
    environment = {"PYTHONIOENCODING": "ascii", VARIABLE: str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "chaosdrill.cli", "runs", "show", "--json"],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["run"] == RUN_ID
