"""Journals of plain Chaos Toolkit, made by Chaos Toolkit itself, become runs; what is none is refused with a reason."""

import copy
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.cli import cli
from chaosdrill.errors import BadInput
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.comparing import read_compared_run
from chaosdrill.runs.imports.foreign_journals import read_journal
from chaosdrill.runs.imports.importing import IMPORTING, import_journal
from tests.further import examples
from tests.summary_schema import problems_of_summary
from tests.unit.test_catalogue import JSON

Journal = dict[str, Any]
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", "--no-validation"]


def activity(kind: str, name: str, text: Any, **more: Any) -> dict[str, Any]:
    """Quotes a text; of a number it fails."""
    provider = {"type": "python", "module": "urllib.parse", "func": "quote", "arguments": {"string": text}}
    return {"type": kind, "name": name, "provider": provider, **more}


EXPERIMENT: dict[str, Any] = {
    "title": "Plain: a \x1b[31mthing",
    "configuration": {
        "db_password": {"type": "env", "key": "NOT_SET_ANYWHERE", "default": "hunter22-default"},
        "size": 3,
    },
    "secrets": {"group": {"key": "s3cr3t-literal", "other": {"type": "env", "key": "ALSO_SECRET"}}},
    "steady-state-hypothesis": {"title": "h", "probes": [activity("probe", "quoted", "a b", tolerance="a%20b")]},
    "method": [
        activity("action", "act", "x"),
        activity("probe", "echo", "${db_password} s3cr3t-literal from-env", tolerance="never checked"),
    ],
    "rollbacks": [activity("action", "undo", "y")],
}


def run_by_chaos_toolkit(directory: Path, experiment: dict[str, Any], *options: str) -> Journal:
    (directory / "experiment.json").write_text(json.dumps(experiment))
    command = [*CHAOS, *options, "experiment.json"]
    environment = {**os.environ, "ALSO_SECRET": "from-env"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    journal = directory / "journal.json"
    assert journal.exists(), done.stdout + done.stderr
    found: Journal = json.loads(journal.read_text())
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return run_by_chaos_toolkit(tmp_path_factory.mktemp("plain"), EXPERIMENT)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return tmp_path / "runs"


def imported(directory: Path, journal: Any, name: str = "journal.json") -> Result:
    (directory / name).write_text(journal if isinstance(journal, str) else json.dumps(journal))
    return CliRunner().invoke(cli, ["runs", "import", "--json", str(directory / name)])


def named_reasons(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The reasons of the verdict, each with the name of its finding."""
    names = {one["text"]: one["name"] for one in summary["judgement"]["findings"]}
    return [(names[reason], reason) for reason in summary["reasons"]]


def summary_of(runs: Path, said: Result) -> dict[str, Any]:
    assert said.exit_code == 0, said.output
    found: dict[str, Any] = json.loads((runs / json.loads(said.stdout)["run"] / "summary.json").read_text())
    assert problems_of_summary(found) == []
    return found


def changed(journal: Journal, **more: Any) -> Journal:
    return {**copy.deepcopy(journal), **more}


def test_a_journal_becomes_a_run_that_every_command_takes(runs: Path, tmp_path: Path, plain: Journal) -> None:
    summary = summary_of(runs, imported(tmp_path, plain))
    assert (summary["verdict"], summary["source"], summary["experiment"]) == ("passed", "imported", "plain-a-31mthing")
    (held, rests) = summary["reasons"]
    assert " 2 " in held
    assert [(one["name"], one["text"]) for one in summary["judgement"]["findings"]] == [("journal-only", rests)]
    assert [one for one in ("completed", " 5 ", " 0 ", " echo") if one not in rests] == []
    reading = [{"value": "a%20b", "met": True, "times": 1}]
    assert summary["hypothesis"] == [
        {"probe": "quoted", "tolerance": "a%20b", "before": reading, "during": [], "after": reading}
    ]
    assert all(figure["value"] is None for figure in summary["judgement"]["figures"].values())
    took = datetime.fromisoformat(plain["end"]) - datetime.fromisoformat(plain["start"])
    assert summary["seconds"] == pytest.approx(took.total_seconds(), abs=0.051)
    assert summary["began"][:19] == plain["start"][:19]
    assert summary["circumstances"]["variable size"] == 3
    run = summary["run_id"]
    listed = json.loads(CliRunner().invoke(cli, ["runs", "list", "--json", "--experiment", "plain-a-31mthing"]).stdout)
    assert [(one["run"], one["verdict"], one["source"]) for one in listed] == [(run, "passed", "imported")]
    shown = json.loads(CliRunner().invoke(cli, ["runs", "show", "--json"]).stdout)
    assert (shown["state"], shown["host"], shown["experiment_file"]) == ("imported", plain["node"], "experiment.json")
    judged = CliRunner().invoke(cli, ["runs", "judge"])
    assert (judged.exit_code, judged.stderr, judged.stdout.splitlines()[0]) == (0, "", f"{run}: passed")
    assert "\x1b" not in judged.stdout
    assert read_compared_run(runs / run).probes["quoted"].readings["after"][0].met is True


def test_the_journal_is_as_it_was_but_for_secrets(
    runs: Path, tmp_path: Path, plain: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALSO_SECRET", "from-env")
    summary = summary_of(runs, imported(tmp_path, plain))
    kept = json.loads((runs / summary["run_id"] / "journal.json").read_text())
    assert plain["run"][1]["output"] == "hunter22-default%20s3cr3t-literal%20from-env"
    assert kept["run"][1]["output"] == "***%20***%20***"
    for path in (runs / summary["run_id"]).iterdir():
        text = path.read_text()
        assert not [secret for secret in ("hunter22", "s3cr3t-literal", "from-env") if secret in text], path
    assert (kept["run"][0], kept["steady_states"]) == (plain["run"][0], plain["steady_states"])
    assert kept["experiment"]["secrets"]["group"]["other"] == {"type": "env", "key": "ALSO_SECRET"}


def test_the_same_journal_is_imported_once_however_it_is_laid_out(runs: Path, tmp_path: Path, plain: Journal) -> None:
    run = summary_of(runs, imported(tmp_path, plain))["run_id"]
    said = imported(tmp_path, json.dumps(plain, indent=4, sort_keys=True), "other name.json")
    assert (said.exit_code, f" {run} [run-in-store]" in said.output) == (2, True)
    another = changed(plain, node="elsewhere")
    assert summary_of(runs, imported(tmp_path, another))["run_id"] != run
    assert len([path for path in runs.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize(
    ("change", "options", "verdict", "finding", "named"),
    [
        ({"method": [activity("action", "act", 5)]}, (), "failed", "step-failed", "method act TypeError"),
        ({"rollbacks": [activity("action", "undo", 5)]}, (), "failed", "step-failed", "rollbacks undo TypeError"),
        ({"steady-state-hypothesis": {}}, (), "invalid", "nothing-checked", ""),
        ({}, ("--dry", "actions"), "invalid", "dry-run", "actions"),
        ({}, ("--rollback-strategy", "never"), "invalid", "rollback-not-run", "rollbacks undo"),
        (
            {},
            ("--hypothesis-strategy", "before-method-only"),
            "invalid",
            "step-not-run",
            "steady-state-after quoted",
        ),
        (
            {"steady-state-hypothesis": {"title": "h", "probes": [activity("probe", "q", "a b", tolerance="other")]}},
            (),
            "refused",
            "check-missed",
            "steady-state-before q 'a%20b' 'other'",
        ),
    ],
)
def test_chaos_toolkits_own_verdict_is_not_believed(
    runs: Path,
    tmp_path: Path,
    change: dict[str, Any],
    options: tuple[str, ...],
    verdict: str,
    finding: str,
    named: str,
) -> None:
    journal = run_by_chaos_toolkit(tmp_path, {**EXPERIMENT, **change}, *options)
    assert journal["deviated"] is False
    summary = summary_of(runs, imported(tmp_path, journal))
    (name, reason), *_, (last, _) = named_reasons(summary)
    assert (summary["verdict"], name, last) == (verdict, finding, "journal-only")
    assert [one for one in named.split() if one not in reason] == []


def test_what_was_missed_during_the_method_is_told(runs: Path, tmp_path: Path, plain: Journal) -> None:
    """With a continuous hypothesis Chaos Toolkit says "completed" when it was met again before the end."""
    journal = changed(plain)
    met = journal["steady_states"]["before"]
    missed = {"steady_state_met": False, "probes": [{**met["probes"][0], "output": "down", "tolerance_met": False}]}
    journal["steady_states"]["during"] = [met, met, missed, met]
    summary = summary_of(runs, imported(tmp_path, journal))
    (name, reason), *_ = named_reasons(summary)
    assert (summary["verdict"], name) == ("failed", "check-missed")
    assert [one for one in ("steady-state-during: quoted ", "'down'", "'a%20b'") if one not in reason] == []
    assert [(one["met"], one["times"]) for one in summary["hypothesis"][0]["during"]] == [
        *((True, 2), (False, 1), (True, 1))
    ]


@pytest.mark.parametrize(
    ("change", "verdict", "finding", "named"),
    [
        ({"deviated": True}, "failed", "check-missed", "deviated"),
        ({"status": "failed"}, "failed", "check-missed", "failed"),
        ({"status": "interrupted"}, "interrupted", "interrupted", " interrupted"),
        ({"status": "aborted"}, "interrupted", "interrupted", " aborted"),
        ({"end": None}, "invalid", "history-broken", " end"),
        ({"run": []}, "invalid", "step-not-run", "method: act "),
        ({"steady_states": {}}, "invalid", "nothing-checked", ""),
    ],
)
def test_what_a_journal_says_against_itself_is_believed(
    runs: Path, tmp_path: Path, plain: Journal, change: dict[str, Any], verdict: str, finding: str, named: str
) -> None:
    summary = summary_of(runs, imported(tmp_path, changed(plain, **change)))
    (name, reason), *_ = named_reasons(summary)
    assert (summary["verdict"], name, named in reason) == (verdict, finding, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", " line 1 "),
        ('{"experiment": {"title": "x', " line 1 "),
        ("[1, 2]", " object"),
        ('"text"', " object"),
        ('{"a": NaN}', " NaN "),
        ('{"a": -Infinity}', " -Infinity "),
        ('{"a": 1e999}', " 1e999 "),
        ("1" * 5000, " JSON"),
        ("[" * 100_000, " 40 "),
        ('{"a":' * 60 + "1" + "}" * 60, " 40 "),
        ('{"summary": 1}', " experiment"),
        ('{"chaosdrill": {"run_id": "R"}}', " R:"),
    ],
)
def test_what_is_no_journal_is_refused_with_the_reason(runs: Path, tmp_path: Path, text: str, named: str) -> None:
    said = imported(tmp_path, text)
    reasons = [line for line in said.output.splitlines() if line.endswith("[journal-invalid]")]
    assert (said.exit_code, any(named in reason for reason in reasons)) == (2, True), said.output
    assert not [path for path in runs.iterdir() if path.is_dir()]


def test_every_reason_is_told_at_once(runs: Path, tmp_path: Path, plain: Journal) -> None:
    said = imported(tmp_path, {**plain, "start": "yesterday", "status": "great", "run": {}, "rollbacks": None}).output
    reasons = [line for line in said.splitlines() if line.endswith("[journal-invalid]")]
    for named in (" run,", " rollbacks,", " start", " status "):
        assert [named in reason for reason in reasons].count(True) == 1


def test_what_is_no_file_is_refused(runs: Path, tmp_path: Path) -> None:
    for name in ("nothing.json", "directory.json", "run.zip"):
        (tmp_path / "directory.json").mkdir(exist_ok=True)
        said = CliRunner().invoke(cli, ["runs", "import", str(tmp_path / name)])
        assert (said.exit_code, name in said.output) == (2, True)


def test_an_import_that_was_interrupted_leaves_no_run(
    runs: Path, tmp_path: Path, plain: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    runs.mkdir()
    (tmp_path / "journal.json").write_text(json.dumps(plain))
    with monkeypatch.context() as patched:
        patched.setattr("chaosdrill.runs.imports.importing.summary_of", crash)
        with pytest.raises(KeyboardInterrupt):
            import_journal(tmp_path / "journal.json", runs)
    assert CliRunner().invoke(cli, ["runs", "list", "--json"]).stdout == "[]\n"
    summary_of(runs, imported(tmp_path, plain))
    assert not [path for path in runs.iterdir() if path.name.startswith(IMPORTING)]


@pytest.mark.long
@examples(80)
@given(data=st.data())
def test_whatever_stands_in_a_journal_it_is_a_run_or_refused(
    runs: Path, tmp_path: Path, plain: Journal, data: st.DataObject
) -> None:
    """Some value of a real journal becomes something else."""
    journal = changed(plain)
    place: Any = journal
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(JSON)
    said = imported(tmp_path, journal)
    assert said.exit_code in (0, 2), (said.output, said.exception)
    if said.exit_code == 0:
        summary = summary_of(runs, said)
        assert CliRunner().invoke(cli, ["runs", "show", summary["run_id"]]).exit_code == 0
        assert CliRunner().invoke(cli, ["runs", "judge", summary["run_id"]]).exit_code in (0, 1)


@given(text=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@examples(200)
def test_whatever_stands_in_a_file_it_is_refused_with_a_reason(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "journal.json").write_bytes(text)
    with pytest.raises(BadInput):
        read_journal(tmp_path / "journal.json")
