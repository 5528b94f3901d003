"""`runs show` and `runs verdict`: what is stored, in whatever state it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.history import History
from chaosdrill.paths import RUNS_VARIABLE
from tests.synthetic_run import RUN_ID, make_run
from tests.unit.test_catalogue import FIRST, SECOND, make

REASONS, WELL = ["a reason", "another"], "all was well"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    make(tmp_path / "runs", FIRST, reasons=[WELL])
    make(tmp_path / "runs", SECOND, "failed", reasons=REASONS)
    return tmp_path / "runs"


def said(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runs", *arguments])


def shown(*arguments: str) -> dict:
    found: dict = json.loads(said("show", "--json", *arguments).stdout)
    return found


def test_the_stored_verdict_in_a_line_each_and_an_exit_code_for_scripts(runs: Path) -> None:
    assert (said("verdict").output, said("verdict").exit_code) == (f"{SECOND}: failed: {'; '.join(REASONS)}\n", 1)
    assert (said("verdict", FIRST).output, said("verdict", FIRST[:9]).exit_code) == (
        f"{FIRST}: passed: {WELL}\n",
        0,
    )
    both = said("verdict", FIRST, SECOND, "--json")
    assert both.exit_code == 1
    assert [(one["run"], one["verdict"], one["reasons"]) for one in json.loads(both.stdout)] == [
        (FIRST, "passed", [WELL]),
        (SECOND, "failed", REASONS),
    ]


def test_where_no_verdict_is_stored_it_says_what_to_do(runs: Path) -> None:
    (runs / SECOND / "summary.json").unlink()
    found = said("verdict", SECOND, "nope", FIRST)
    assert found.exit_code == 2
    second, nope = found.stderr.splitlines()
    assert (second.startswith(f"{SECOND}: "), f"`chaosdrill runs judge {SECOND}`" in second) == (True, True)
    assert (nope.startswith("nope: "), f" {runs}" in nope) == (True, True)
    assert found.stdout == f"{FIRST}: passed: {WELL}\n"
    drill = History(runs / SECOND / "history.jsonl")
    (ongoing,) = said("verdict").stderr.splitlines()
    assert (ongoing.startswith(f"{SECOND}: "), "runs judge" in ongoing) == (True, False)
    drill.close()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"version": 4, "verdict": "passed"}', [" version 4,", " 3:"]),
        ('{"version": "3"}', [" version ", "('3')"]),
        ('{"version": true, "verdict": "passed"}', [" version ", "(True)"]),
        ('{"version": 3, "verdict": "great"}', [" verdict ", "'great'"]),
        ('{"version": 3, "verd', [" JSON: "]),
        ("[]", [" JSON object"]),
    ],
)
def test_a_summary_that_cannot_be_used_is_never_misread(runs: Path, text: str, named: list[str]) -> None:
    (runs / SECOND / "summary.json").write_text(text)
    found = said("verdict")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{SECOND}: ")
    assert [one for one in named if one not in found.stderr] == []
    assert (shown()["state"], shown()["verdict"]) == ("unreadable", None)
    assert [one for one in (" summary ", *named) if one not in f" {shown()['notes'][0]}"] == []
    assert shown()["operator"] == "alice"  # what can be read is shown
    listed = json.loads(said("list", "--json", "--verdict", "unreadable").stdout)
    assert [one["run"] for one in listed] == [SECOND]
    assert said("compare").exit_code == 2


def test_reading_a_verdict_imports_nothing_heavy(runs: Path) -> None:
    program = "import sys; from chaosdrill.cli import cli; cli(['runs', 'verdict'], standalone_mode=False)"
    heavy = f"import atexit, sys; atexit.register(lambda: print(sorted(HEAVY & set(sys.modules)))); {program}"
    command = f"HEAVY = {{'numpy', 'pyarrow', 'rich', 'jsonschema', 'yaml', 'boto3'}}\n{heavy}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"{SECOND}: failed: {'; '.join(REASONS)}", "[]"], done.stderr


def test_a_run_is_shown_with_everything_that_it_says(runs: Path, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "other")
    figure = {"value": 4.2, "unit": "s", "how": "heartbeat", "uncertainty": 0.1}
    finding = {"name": "check-missed", "verdict": "failed", "text": "it is 3, expected 2", "evidence": []}
    summary = {
        **{"version": 2, "verdict": "failed", "reasons": REASONS, "seconds": 61.5, "scale": 0.1, "target": "lab"},
        "judgement": {"figures": {"recovery_fail_over_s": figure}, "findings": [finding]},
    }
    (directory / "summary.json").write_text(json.dumps(summary))
    (directory / "experiment.yaml").write_text("title: x\n")
    found = shown(str(directory))
    assert (found["run"], found["state"], found["notes"]) == (RUN_ID, "whole", [])
    assert (found["verdict"], found["reasons"], found["seconds"]) == ("failed", REASONS, 61.5)
    assert (found["experiment"], found["experiment_file"]) == ("failover", "experiment.yaml")
    assert found["figures"]["recovery_fail_over_s"]["value"] == 4.2
    assert found["findings"] == [finding]
    assert found["objectives"]["rto_s"] == 60.0
    assert {"file": "experiment.yaml", "bytes": 9} in found["files"]
    assert any(one["file"] == "records/beats.parquet" for one in found["files"])
    text = said("show", str(directory)).stdout
    for part in (f"{RUN_ID}: failed", "another", "4.20 s ± 0.10 s", "it is 3, expected 2", "61.5 s", "9 B", "rto_s"):
        assert part in text


def test_a_drill_that_died_and_one_that_goes_on_are_told_apart(runs: Path) -> None:
    (runs / SECOND / "summary.json").unlink()
    assert (shown()["state"], shown()["title"]) == ("died", "a title")
    assert said("show").stdout.startswith(f"{SECOND}: died\n")
    drill = History(runs / SECOND / "history.jsonl")
    assert shown()["state"] == "goes on"
    drill.close()


def test_what_is_no_run_is_shown_as_such(tmp_path: Path, runs: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpeg").write_bytes(b"x")
    found = shown(str(tmp_path / "photos"))
    assert (found["state"], found["files"]) == ("foreign", [])
    assert said("show", str(tmp_path / "photos")).stdout.startswith("photos: foreign\n")
    assert said("show", "nope").exit_code == 2


def test_secrets_and_commands_to_a_terminal_are_not_shown(runs: Path) -> None:
    first = json.loads((runs / SECOND / "history.jsonl").read_text())
    first["configuration"] = {"db_password": "hunter22", "region": "\x1b[31mred\x1b]0;x\x07"}
    (runs / SECOND / "history.jsonl").write_text(json.dumps(first) + "\n")
    assert shown()["configuration"]["db_password"] == "***"
    text = said("show").stdout
    assert "\x1b" not in text
    assert "hunter22" not in text
    assert "\\x1b[31mred" in text


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(runs: Path) -> None:
    for name in ("summary.json", "history.jsonl", "tags.json"):
        (runs / SECOND / name).unlink(missing_ok=True)
        os.mkfifo(runs / SECOND / name)
    assert shown()["state"] == "unreadable"
    assert said("list").exit_code == 0
    assert said("verdict").exit_code == 2
