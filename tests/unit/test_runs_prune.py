"""`runs prune`: what it removes, what it never does, and that a crash leaves either a whole run or none."""

import json
import os
import pty
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.history import History
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs import pruning
from chaosdrill.runs.catalogue import CATALOGUE, catalogue
from chaosdrill.runs.tags import tag_run
from tests.unit.test_catalogue import make

OLD, NEW, OTHER = (f"2026{month}01T093000Z-{name}-ab12" for month, name in (("03", "x"), ("05", "x"), ("04", "y")))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    for name, verdict in ((OLD, "failed"), (NEW, "passed"), (OTHER, "refused")):
        make(tmp_path / "runs", name, verdict)
    return tmp_path / "runs"


def prune(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runs", "prune", *arguments])


def left(runs: Path) -> list[str]:
    return sorted(path.name for path in runs.iterdir() if path.name != CATALOGUE)


def removed(*arguments: str) -> list[str]:
    said = prune("--yes", "--json", *arguments)
    assert said.exit_code == 0, said.output
    return [one["run"] for one in json.loads(said.stdout)["removed"]]


def test_the_newest_of_each_experiment_stay(runs: Path) -> None:
    assert removed("--keep", "1") == [OLD]
    assert left(runs) == sorted([NEW, OTHER])
    assert removed("--keep", "1") == []


def test_the_filters_of_the_list_hold_all_at_once(runs: Path) -> None:
    assert removed("--verdict", "failed", "--since", "2026-04-01") == []
    assert removed("--experiment", "x", "--target", "lab", "--until", "2026-04-30") == [OLD]
    assert removed("--verdict", "refused", "--keep", "1") == []
    assert removed("--verdict", "refused") == [OTHER]


def test_how_long_ago_it_began(runs: Path) -> None:
    ago = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT%H:%M:%S}.000Z"
    for name, at in ((OLD, ago), (NEW, "no time"), (OTHER, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z")):
        (runs / name / "history.jsonl").write_text(json.dumps({"event": "drill-opened", "at": at}) + "\n")
    assert removed("--older-than", "3.1") == []
    assert removed("--older-than", "2.9") == [OLD]


def test_tagged_runs_stay_and_are_not_counted(runs: Path) -> None:
    tag_run(runs / NEW, ["quarterly"])
    said = prune("--yes", "--keep", "1")
    (spared,) = said.stderr.splitlines()
    assert (spared.startswith(f"{NEW} "), spared.endswith(" quarterly")) == (True, True)
    assert left(runs) == sorted([OLD, NEW, OTHER])
    assert removed("--tagged", "--experiment", "x") == [OLD, NEW]


def test_sizes_are_shown_and_nothing_is_removed_without_a_yes(runs: Path) -> None:
    (runs / OLD / "more").write_bytes(b"x" * 2_000_000)
    said = prune("--experiment", "x")
    assert (said.exit_code, " 2 runs " in said.stderr, " --yes " in said.stderr) == (2, True, True)
    assert f"{OLD}  failed  2 MB" in said.stdout
    assert prune("--experiment", "x", "--json").exit_code == 2
    assert left(runs) == sorted([OLD, NEW, OTHER])


@pytest.mark.parametrize(("answer", "code", "there"), [("y\n", 0, False), ("n\n", 1, True), ("\n", 1, True)])
def test_on_a_terminal_it_asks(runs: Path, answer: str, code: int, there: bool) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "chaosdrill.cli", "runs", "prune", "--experiment", "y"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as asked:
        os.close(theirs)
        os.write(ours, answer.encode())
        assert asked.wait(20) == code
    os.close(ours)
    assert (runs / OTHER).exists() is there


def test_every_run_is_never_meant_by_accident(runs: Path) -> None:
    said = prune("--yes")
    assert (said.exit_code, "[options-invalid]" in said.output) == (2, True)
    assert prune("--yes", "--tagged").exit_code == 2
    assert len(left(runs)) == 3


def test_what_goes_on_is_a_link_or_is_no_run_stays(runs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(runs / OTHER, elsewhere)
    (runs / OTHER).symlink_to(elsewhere)
    (runs / "photos").mkdir()
    (runs / "photos" / "history.jsonl").write_text('{"event": "birthday"}\n')
    drill = History(runs / NEW / "history.jsonl")
    said = json.loads(prune("--yes", "--json", "--keep", "0").stdout)
    drill.close()
    why = {one["run"]: one["why"] for one in said["spared"]}
    assert set(why) == {NEW, OTHER, "photos"}
    assert len(set(why.values())) == 3
    assert " link" in why[OTHER]
    assert (left(runs), (elsewhere / "summary.json").exists()) == (sorted([NEW, OTHER, "photos"]), True)
    assert removed("--experiment", "x") == [NEW]  # it does not go on any more


def test_a_catalogue_that_lies_removes_nothing(runs: Path) -> None:
    catalogue(runs)
    (runs / CATALOGUE).write_text((runs / CATALOGUE).read_text().replace("passed", "failed"))
    assert removed("--verdict", "failed") == [OLD]


def test_what_an_interrupted_removal_left_is_no_run_and_goes_with_the_next(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pruning.shutil, "rmtree", crash)
    with pytest.raises(KeyboardInterrupt):
        pruning.remove(runs / OLD)
    monkeypatch.undo()
    monkeypatch.setenv(RUNS_VARIABLE, str(runs))
    assert [one.run for one in catalogue(runs)] == [OTHER, NEW]
    assert (runs / f"{pruning.REMOVING}{OLD}").is_dir()
    assert removed("--verdict", "refused") == [OTHER]
    assert left(runs) == [NEW]


def test_what_cannot_be_removed_is_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pruning, "remove", refuse)
    said = prune("--yes", "--verdict", "failed")
    (failed,) = said.stderr.splitlines()
    assert (said.exit_code, failed.startswith(f"{OLD} "), failed.endswith(": Permission denied")) == (1, True, True)
