"""The catalogue of runs: what it says of each, in whatever state, and that it is made anew when something changes."""

import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.analysis.summary_fields import DRILL, summary_fields
from chaosdrill.cli import cli
from chaosdrill.controls.experiment import find_source
from chaosdrill.history.run_directory import experiment_of, make_run_directory
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.catalogue import CATALOGUE, catalogue
from chaosdrill.runs.entries import UNREADABLE, RunEntry, entry_of
from chaosdrill.runs.selection import RunStore, newest_alike
from chaosdrill.runs.tags import tag_run, tags_of
from tests.failing import fails_with
from tests.further import examples

FIRST, SECOND = "20260501T093000Z-failover-ab12", "20260702T080000Z-packet-loss-cd34"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def make(runs: Path, name: str, verdict: str = "passed", **more: Any) -> Path:
    directory = runs / name
    directory.mkdir(parents=True)
    at = f"{name[:4]}-{name[4:6]}-{name[6:8]}T09:30:00.000Z"
    opened = {"at": at, "event": "drill-opened", "title": "a title", "origin": {"operator": "alice"}}
    (directory / "history.jsonl").write_text(json.dumps({**opened, "change_ticket": "CHG-1"}) + "\n")
    figures = {"recovery_fail_over_s": {"value": 4.2}, "lost_writes_after_failover": {"value": None}}
    said = {
        "version": 2,
        "verdict": verdict,
        "target": "lab",
        "scale": 0.2,
        "seconds": 60.0,
        "judgement": {"figures": figures},
    }
    (directory / "summary.json").write_text(json.dumps({**said, **more}))
    return directory


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    make(tmp_path / "runs", FIRST)
    make(tmp_path / "runs", SECOND, "failed", target="aws", scale=1)
    return tmp_path / "runs"


def listed(*arguments: str) -> list[str]:
    said = CliRunner().invoke(cli, ["runs", "list", "--json", *arguments])
    assert said.exit_code == 0, said.output
    return [entry["run"] for entry in json.loads(said.stdout)]


def test_an_entry_says_what_the_run_was_and_how_it_ended(runs: Path) -> None:
    assert catalogue(runs)[0] == RunEntry(
        FIRST, "failover", "a title", "2026-05-01T09:30:00.000Z", "lab", 0.2, "passed", 60.0, "alice", "CHG-1",
        figures={"recovery_fail_over_s": 4.2}, source="drill",
    )  # fmt: skip


def test_it_is_read_from_what_is_kept_until_something_changes(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue(runs)
    read: list[str] = []
    monkeypatch.setattr(
        "chaosdrill.runs.catalogue.entry_of", lambda directory: read.append(directory.name) or entry_of(directory)
    )
    assert (catalogue(runs), read) == (before, [])
    tag_run(runs / FIRST, ["quarterly"])
    assert (catalogue(runs)[0].tags, read) == (("quarterly",), [FIRST])
    (runs / SECOND / "summary.json").write_text("{}")
    assert (catalogue(runs)[1].verdict, read) == (UNREADABLE, [FIRST, SECOND])
    shutil.rmtree(runs / FIRST)
    assert [entry.run for entry in catalogue(runs)] == [SECOND]
    (runs / CATALOGUE).unlink()
    assert [entry.run for entry in catalogue(runs)] == [SECOND]


def test_a_store_that_is_only_read_is_listed_all_the_same(tmp_path: Path, runs: Path) -> None:
    (runs / CATALOGUE).mkdir()  # nothing can be written there
    assert [entry.run for entry in catalogue(runs)] == [FIRST, SECOND]
    assert catalogue(tmp_path / "nothing") == []


def test_filters(runs: Path) -> None:
    tag_run(runs / FIRST, ["quarterly", "q2"])
    assert listed() == [FIRST, SECOND]
    assert (
        listed("--experiment", "packet-loss") == listed("--target", "aws") == listed("--verdict", "failed") == [SECOND]
    )
    assert listed("--verdict", "failed", "--verdict", "passed") == [FIRST, SECOND]
    assert listed("--tag", "q2", "--tag", "quarterly") == [FIRST]
    assert listed("--tag", "q2", "--tag", "q3") == []
    assert listed("--since", "2026-05-01") == [FIRST, SECOND]
    assert listed("--since", "2026-05-02") == listed("--since", "2026-07-02") == [SECOND]
    assert listed("--until", "2026-05-01") == [FIRST]
    said = CliRunner().invoke(cli, ["runs", "list", "--since", "2026-02-30"])
    assert (said.exit_code, " --since 2026-02-30:" in said.output) == (2, True)
    assert CliRunner().invoke(cli, ["runs", "list", "--verdict", "pased"]).exit_code == 2


def test_people_see_the_newest_first_and_how_many_more_there_are(runs: Path) -> None:
    for number in range(31):
        make(runs, f"20260801T{number:06}Z-failover-0000")
    said = CliRunner().invoke(cli, ["runs", "list"])
    rows = [line for line in said.stdout.splitlines() if "Z-" in line]
    assert "T000030Z" in rows[0]
    assert (len(rows), SECOND in said.stdout) == (30, False)
    assert said.stderr.startswith("30 of 33: --all ")
    assert FIRST in CliRunner().invoke(cli, ["runs", "list", "--all"]).stdout


def test_tags_are_given_shown_and_taken_away(runs: Path) -> None:
    def tag(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["runs", "tag", *arguments]).output

    assert tag(FIRST[:9], "quarterly", "q2-2026") == f"{FIRST}: q2-2026, quarterly\n"
    assert tag(FIRST, "--remove", "q2-2026") == tag(FIRST) == f"{FIRST}: quarterly\n"
    assert json.loads(tag(FIRST, "--json")) == {"run": FIRST, "tags": ["quarterly"]}
    assert [one in tag(FIRST, "no spaces") for one in ("'no spaces'", "[tag-invalid]")] == [True, True]
    assert tags_of(runs / FIRST) == ("quarterly",)
    with fails_with("tag-invalid", "tag-invalid"):
        tag_run(runs / FIRST, ["../x", ""])


@examples(60)
@given(said=JSON, opened=JSON, kept=JSON)
def test_whatever_stands_in_the_files_a_run_is_listed(runs: Path, said: Any, opened: Any, kept: Any) -> None:
    for name, value in (("summary.json", said), ("tags.json", kept)):
        (runs / FIRST / name).write_text(json.dumps(value))
    (runs / FIRST / "history.jsonl").write_text(json.dumps(opened) + "\n")
    (runs / CATALOGUE).write_text(json.dumps(kept))
    assert [entry.run for entry in catalogue(runs)] == [FIRST, SECOND]


def test_a_name_that_commands_a_terminal_is_written_out(runs: Path) -> None:
    os.rename(runs / SECOND, runs / "20260702T080000Z-\x1b[31mred\x1b]0;x\x07-cd34")
    said = CliRunner().invoke(cli, ["runs", "list"])
    assert "\x1b" not in said.stdout
    assert "\\x1b[31mred" in said.stdout


LONG = "failover-of-core-banking-to-the-standby-region"
DIFFERENT = ("failover", "fail.over", "fail_over", "Failover", "東京切替", "大阪切替", f"{LONG}-a", f"{LONG}-b", "(1)")


def named_by(source: str) -> str:
    with click.Context(click.Command("run")) as context:
        context.params = {"source": source}
        return find_source().name


def test_experiments_whose_names_differ_anywhere_are_different_experiments(tmp_path: Path) -> None:
    """Also in other scripts, in punctuation, in case, and after 40 characters: in lists, and in what is compared."""
    store = tmp_path / "runs"
    store.mkdir()
    for number, name in enumerate(DIFFERENT):
        file = tmp_path / f"{name}.yaml"
        file.write_text("title: x")
        directory = make_run_directory(store, named_by(str(file)))
        assert directory.name.isascii()
        opened = {"event": "drill-opened", "at": f"2026-05-{number + 1:02}T09:30:00.000Z", "experiment": name}
        (directory / "history.jsonl").write_text(json.dumps(opened) + "\n")
        assert entry_of(directory).experiment == name, "before it has a summary"
        fields = summary_fields(experiment_of(directory.name), [opened], DRILL)
        (directory / "summary.json").write_text(json.dumps({"version": 3, "verdict": "passed", **fields}))
    assert [entry.experiment for entry in sorted(catalogue(store), key=lambda one: one.began)] == [*DIFFERENT]
    for name in DIFFERENT:
        paths, left_out = newest_alike(RunStore(store), None, name)
        assert (len(paths), left_out) == (1, [])


def test_a_run_that_was_recorded_without_the_name_is_named_by_its_directory(runs: Path) -> None:
    assert {entry.experiment for entry in catalogue(runs)} == {"failover", "packet-loss"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://git.example.com/drills/Fail_Over%20A.yaml?ref=main", "Fail_Over A"),
        ("https://git.example.com/", "drill"),
        ("gone.yaml", "drill"),
    ],
)
def test_an_experiment_from_the_web_has_its_name_too(source: str, name: str) -> None:
    assert named_by(source) == name


def test_a_name_is_the_same_however_its_characters_are_composed(tmp_path: Path) -> None:
    file = tmp_path / f"{unicodedata.normalize('NFD', 'ガバナンス')}.yaml"
    file.write_text("title: x")
    assert named_by(str(file)) == unicodedata.normalize("NFC", "ガバナンス")
