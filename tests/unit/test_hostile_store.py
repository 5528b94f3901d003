"""A store that somebody has had his hands in: what is shown of it is safe, and never another run's."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.cli import cli
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.runs.catalogue import CATALOGUE, catalogue
from chaosdrill.runs.entries import FIGURES, UNJUDGED, UNREADABLE, entry_of
from chaosdrill.runs.summaries import WORDS
from tests.further import examples
from tests.unit.test_catalogue import FIRST, JSON, SECOND, make

NASTY = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "$(touch /tmp/x); `id`", "<script>alert(1)</script>", "a\rb\nc\x00d",
         "\u202eevil", "\ud800", "[bold]x[/]", "../../etc/passwd", "x" * 3000]  # fmt: skip
ANYTHING = JSON | st.sampled_from([*NASTY, 10**400, float("inf"), float("nan"), -0.0, [], {}, [[1]], {"a": {}}])
many = examples(60)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    make(tmp_path / "runs", FIRST)
    make(tmp_path / "runs", SECOND, "failed")
    return tmp_path / "runs"


def said(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, ["runs", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def is_safe(text: str) -> bool:
    """It commands no terminal: line breaks are all that is not printed."""
    return all(one.isprintable() or one == "\n" for one in text)


def strictly(text: str) -> Any:
    """JSON as others read it, who know no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def every_command_is_safe() -> None:
    for command in (
        ["list"],
        ["list", "--all", "--verdict", "unreadable"],
        ["show"],
        ["verdict"],
        ["prune", "--keep", "0"],
    ):
        done = said(*command)
        assert is_safe(done.stdout), done.stdout
        assert is_safe(done.stderr), done.stderr
    for command in (["list", "--json"], ["show", "--json"], ["verdict", "--json"]):
        strictly(said(*command).stdout)


SUMMARY = st.fixed_dictionaries(
    {"version": st.sampled_from([1, 2, 3, 4, "3", True, None, 3.0]),
     "verdict": st.sampled_from([*WORDS, "x", None, 1])},
    optional={name: ANYTHING for name in ("reasons", "title", "target", "scale", "seconds", "broken", "judgement",
              "began", "source", "experiment", "objectives", "circumstances", "hypothesis", "report", "run_id")},
)  # fmt: skip
OPENED = st.fixed_dictionaries(
    {"event": st.just("drill-opened")},
    optional={name: ANYTHING for name in ("at", "title", "origin", "target", "change_ticket", "configuration",
              "versions", "objectives", "planned", "approver", "experiment_sha256", "monotonic_s", "seal")},
)  # fmt: skip


@pytest.mark.long
@many
@given(summary=SUMMARY, opened=OPENED, tags=st.lists(st.sampled_from(NASTY) | JSON, max_size=3))
def test_whatever_a_run_says_of_itself_every_command_shows_it_safely(
    runs: Path, summary: Any, opened: Any, tags: Any
) -> None:
    (runs / SECOND / "summary.json").write_text(json.dumps(summary))
    (runs / SECOND / "history.jsonl").write_text(json.dumps(opened) + "\n")
    (runs / SECOND / "tags.json").write_text(json.dumps({"tags": tags}))
    found = entry_of(runs / SECOND)
    assert found.verdict in (*WORDS, UNREADABLE)
    known = type(summary["version"]) is int and summary["version"] <= 3 and summary["verdict"] in WORDS
    assert found.verdict == (summary["verdict"] if known else UNREADABLE)
    assert catalogue(runs) == catalogue(runs) == [entry_of(runs / FIRST), found]
    every_command_is_safe()


@pytest.mark.long
@many
@given(summary=st.binary(max_size=60), history=st.binary(max_size=60), cut=st.floats(0, 1))
def test_half_written_files_and_foreign_ones(runs: Path, summary: bytes, history: bytes, cut: float) -> None:
    whole = (runs / FIRST / "summary.json").read_bytes()
    (runs / FIRST / "summary.json").write_bytes(whole[: int(cut * (len(whole) - 1))])
    (runs / SECOND / "summary.json").write_bytes(summary)
    (runs / SECOND / "history.jsonl").write_bytes(history)
    assert [one.verdict for one in catalogue(runs)] == [UNREADABLE, UNREADABLE]
    every_command_is_safe()
    make_again = json.loads(whole)
    (runs / FIRST / "summary.json").write_text(json.dumps(make_again))


@pytest.mark.long
@many
@given(data=st.data())
def test_a_catalogue_with_anything_in_it_is_read_again_or_gives_no_wrong_types(runs: Path, data: st.DataObject) -> None:
    expected = catalogue(runs)
    written = json.loads((runs / CATALOGUE).read_text())
    columns = written["columns"]
    name = data.draw(st.sampled_from([*columns, "columns", "version"]))
    if name in columns and columns[name] and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(columns[name]) if isinstance(columns[name], dict) else [0, 1]))
        columns[name][key] = data.draw(ANYTHING)
    elif name in columns:
        columns[name] = data.draw(ANYTHING | st.just([]) | st.just(columns[name][:1] if columns[name] else {}))
    else:
        written[name] = data.draw(ANYTHING)
    (runs / CATALOGUE).write_text(json.dumps(written))
    found = catalogue(runs)
    assert [one.run for one in found] == [FIRST, SECOND]
    for one, real in zip(found, expected, strict=True):
        for field, value in one._asdict().items():
            kinds = (type(getattr(real, field)), *((type(None),) if field in ("scale", "seconds") else ()))
            assert type(value) in kinds, field
        assert set(one.figures or ()) <= set(FIGURES)
    every_command_is_safe()
    (runs / CATALOGUE).unlink(missing_ok=True)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "NaN", "true", '"0.2"'])
def test_a_number_in_a_catalogue_that_is_none_has_it_read_again(runs: Path, number: str) -> None:
    expected = catalogue(runs)
    (runs / CATALOGUE).write_text((runs / CATALOGUE).read_text().replace("0.2", number))
    assert catalogue(runs) == expected


def test_entries_of_other_runs_are_not_taken(runs: Path) -> None:
    """A catalogue from another store, or one in which names were changed."""
    catalogue(runs)
    text = (runs / CATALOGUE).read_text()
    for changed in (text.replace(FIRST, "../../etc"), text.replace(FIRST, SECOND), text.replace(FIRST, "gone")):
        (runs / CATALOGUE).write_text(changed)
        assert [(one.run, one.verdict) for one in catalogue(runs)] == [(FIRST, "passed"), (SECOND, "failed")]


@pytest.mark.parametrize("nasty", [one for one in NASTY if "/" not in one and "\x00" not in one and len(one) < 200])
def test_names_that_command_a_terminal_or_a_shell(runs: Path, nasty: str) -> None:
    name = os.fsdecode(f"20260801T000000Z-{nasty}-ab12".encode(errors="replace"))
    shutil.move(runs / SECOND, runs / name)
    every_command_is_safe()
    assert json.loads(said("verdict", name, "--json").stdout)[0]["verdict"] == "failed"
    assert is_safe(said("show", nasty).output)
    assert is_safe(said("tag", nasty).output)
    assert is_safe(said("judge", nasty).output)


def test_a_name_that_is_no_text(runs: Path) -> None:
    os.rename(os.fsencode(runs / SECOND), os.fsencode(runs) + b"/20260801T000000Z-\xff\xfe-ab12")
    every_command_is_safe()


def test_a_run_that_is_a_symbolic_link_is_shown_and_one_that_leads_nowhere_is_not(runs: Path, tmp_path: Path) -> None:
    shutil.move(runs / SECOND, tmp_path / "elsewhere")
    (runs / SECOND).symlink_to(tmp_path / "elsewhere")
    (runs / "20260901T000000Z-x-ab12").symlink_to(tmp_path / "nowhere")
    (runs / "20260902T000000Z-x-ab12").symlink_to(runs)
    assert [(one.run[:8], one.verdict) for one in catalogue(runs)] == [
        *(("20260501", "passed"), ("20260702", "failed"), ("20260902", UNJUDGED))
    ]
    every_command_is_safe()


def test_files_that_are_links_pipes_or_directories(runs: Path, tmp_path: Path) -> None:
    for name in ("summary.json", "history.jsonl", "tags.json"):
        (runs / SECOND / name).unlink(missing_ok=True)
        (runs / FIRST / name).unlink(missing_ok=True)
        (runs / FIRST / name).mkdir()
    (runs / SECOND / "summary.json").symlink_to("/dev/zero")
    (runs / SECOND / "history.jsonl").symlink_to("summary.json")
    (runs / SECOND / "tags.json").symlink_to("tags.json")
    assert [one.verdict for one in catalogue(runs)] == [UNREADABLE, UNREADABLE]
    every_command_is_safe()


@contextmanager
def somebody_else(directory: Path) -> Iterator[None]:
    """Not root, who may read everything; the way to a directory is open."""
    if os.getuid() != 0:
        yield
        return
    for path in (directory, *list(directory.parents)[:3]):
        path.chmod(path.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_told(runs: Path, tmp_path: Path) -> None:
    every_command_is_safe()  # whatever it imports is imported then
    (runs / CATALOGUE).unlink()
    for path in (runs / FIRST, runs):
        path.chmod(0)
    with somebody_else(tmp_path):
        refused = said("list")
    assert refused.exit_code == 2
    assert f" {runs} " in refused.stderr
    assert os.strerror(errno.EACCES) in refused.stderr
    runs.chmod(0o755)
    with somebody_else(tmp_path):
        listed = json.loads(said("list", "--json").stdout)
        verdict, shown = said("verdict", FIRST), said("show", FIRST)
    assert [(one["run"], one["verdict"]) for one in listed] == [(FIRST, UNREADABLE), (SECOND, "failed")]
    assert (verdict.exit_code, os.strerror(errno.EACCES) in verdict.stderr, shown.exit_code) == (2, True, 0)
    (runs / FIRST).chmod(0o755)
