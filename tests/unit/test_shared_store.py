"""A store that several users and processes use at the same time: no link is followed, and nobody's change is lost."""

import fcntl
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.errors import BadInput
from chaosdrill.history import History, whole_files
from chaosdrill.history.run_directory import REPORT, SUMMARY, make_run_directory
from chaosdrill.history.whole_files import PART, draft_of, make_private, write_new, write_whole
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.report.build import write_report
from chaosdrill.runs.archive.archives import import_archive, verify_archive
from chaosdrill.runs.archive.exporting import export
from chaosdrill.runs.catalogue import CATALOGUE, catalogue
from chaosdrill.runs.imports.importing import import_journal
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.pruning import IMPORTING, remove_leftovers
from chaosdrill.runs.tags import TAGS, tag_run, tags_of
from tests.unit.test_catalogue import FIRST, make
from tests.whole_run import make_whole_run

MANY = 50


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    make(tmp_path / "runs", FIRST)
    return tmp_path / "runs"


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A file of this user that another user of the store would like to see overwritten."""
    path = tmp_path / "precious"
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious"


def together(function: Callable[[int], Any], many: int) -> list[Any]:
    """:returns: what each of so many calls at the same moment returned, or the error that it raised."""
    start = threading.Barrier(many)

    def one(number: int) -> Any:
        start.wait()
        try:
            return function(number)
        except Exception as error:  # noqa: BLE001 - what it is, is what the tests are about
            return error

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def codes(results: list[Any]) -> list[str]:
    """:returns: the codes of those that failed, each once; other errors than refusals are raised."""
    failed = [one for one in results if isinstance(one, Exception)]
    for one in failed:
        if not isinstance(one, BadInput):
            raise one
    return sorted({code for one in failed for code in one.codes})


WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "catalogue": (CATALOGUE, lambda run: catalogue(run.parent)),
    "tags": (f"{FIRST}/{TAGS}", lambda run: tag_run(run, ["one"])),
    "report": (f"{FIRST}/{REPORT}", write_report),
    "export": (".out.zip", lambda run: export(run, run.parent / "out.zip", evidence=False)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_in_place_of_a_half_written_file_is_not_followed(writer: str, runs: Path, precious: Path) -> None:
    name, write = WRITERS[writer]
    (runs / f"{name}{PART}").symlink_to(precious)
    write(runs / FIRST)
    assert (runs / name.replace(".out.zip", "out.zip")).is_file()


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_not_even_under_a_name_that_was_guessed(
    write: Callable[[Path, str], None], tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0" * 16)
    (tmp_path / f"tags.json.{'0' * 16}{PART}").symlink_to(precious)
    with pytest.raises(FileExistsError):
        write(tmp_path / "tags.json", "text")
    assert not (tmp_path / "tags.json").exists()


def test_a_link_at_the_name_itself_is_replaced_and_not_followed(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "tags.json").symlink_to(precious)
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "tags.json", "text")
    write_whole(tmp_path / "tags.json", "text")
    assert not (tmp_path / "tags.json").is_symlink()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_only_this_user_reads_what_is_written_into_a_store_whatever_the_umask_says(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "a", "text")
        write_new(tmp_path / "b", "text")
        if umask != 0o777:
            write_whole(tmp_path / "c", "text", private=False)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes.pop("c", 0o666 & ~umask) == 0o666 & ~umask
    assert modes == {"a": 0o600, "b": 0o600}


def test_only_this_user_reads_a_run_of_its_own_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = make_run_directory(tmp_path, "failover")
        History(run / "history.jsonl").close()
        assert stat.S_IMODE((run / "history.jsonl").stat().st_mode) == 0o600, "from the beginning"
        (run / "records").mkdir()
        (run / "records" / "beats.jsonl").write_text("")
        (run / "link").symlink_to(tmp_path)
        (tmp_path / "theirs").write_text("")
        (run / "link-to-a-file").symlink_to(tmp_path / "theirs")
        make_private(run)
    finally:
        os.umask(before)
    found = {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in (run, *run.rglob("*"))}
    assert {found.pop(run.name), found.pop("records")} == {"0o700"}
    assert found == {"history.jsonl": "0o600", "beats.jsonl": "0o600", "link": "0o777", "link-to-a-file": "0o777"}
    assert stat.S_IMODE(tmp_path.stat().st_mode) != 0o600, "what a link leads to is not touched"
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o666


def test_what_is_written_is_this_user_s_alone_from_its_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", lambda *_: None)  # what another user could do before that
    before = os.umask(0)
    try:
        with whole_files.draft_of(tmp_path / "one"):
            (draft,) = tmp_path.iterdir()
            assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_name_as_long_as_a_name_can_be_is_written_too(tmp_path: Path) -> None:
    name = "\N{GRINNING FACE}" * 63
    write_whole(tmp_path / name, "text")
    assert os.listdir(tmp_path) == [name]


def test_no_tag_of_many_at_the_same_time_is_lost(runs: Path) -> None:
    results = together(lambda number: tag_run(runs / FIRST, [f"tag-{number}"]), MANY)
    assert codes(results) == []
    assert set(tags_of(runs / FIRST)) == {f"tag-{number}" for number in range(MANY)}
    assert sorted(os.listdir(runs / FIRST)) == ["history.jsonl", SUMMARY, TAGS]


def test_a_lock_that_is_never_given_back_is_an_error(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_files, "LOCKED_WITHIN_S", 0.05)
    held = os.open(runs / FIRST, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError, match=FIRST):
        tag_run(runs / FIRST, ["one"])
    os.close(held)
    assert tag_run(runs / FIRST, ["one"]) == ("one",)


def test_who_looks_whether_a_drill_goes_on_is_not_taken_for_the_drill(runs: Path) -> None:
    results = together(lambda _: goes_on(runs / FIRST), MANY)
    assert set(results) == {False}
    writer = History(runs / FIRST / "history.jsonl")
    assert set(together(lambda _: goes_on(runs / FIRST), MANY)) == {True}
    writer.close()
    assert not goes_on(runs / FIRST)


def test_of_many_imports_of_an_archive_one_succeeds_and_the_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = export(make_whole_run(tmp_path / "kept"), tmp_path / "run.zip", evidence=True).archive
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "store"))
    results = together(lambda _: import_archive(archive), 8)
    assert codes(results) == ["run-in-store"]
    (run,) = [one for one in results if isinstance(one, Path)]
    assert os.listdir(tmp_path / "store") == [run.name]


def test_of_many_imports_of_a_journal_one_succeeds_and_the_others_say_so(runs: Path, tmp_path: Path) -> None:
    ended = {"status": "completed", "deviated": False, "start": "2026-05-01T09:30:00", "end": "2026-05-01T09:31:00"}
    experiment = {"title": "a title", "description": "one", "method": []}
    journal = {**ended, "chaoslib-version": "1.44.0", "experiment": experiment, "run": [], "rollbacks": []}
    states = {"steady_states": {"before": None, "after": None, "during": []}}
    (tmp_path / "journal.json").write_text(json.dumps({**journal, **states}))
    results = together(lambda _: import_journal(tmp_path / "journal.json", runs), 8)
    assert codes(results) == ["run-in-store"]
    (run,) = [one for one in results if isinstance(one, str)]
    assert sorted(os.listdir(runs)) == sorted([FIRST, run])


def test_of_many_exports_to_a_file_one_succeeds_and_the_others_say_so(tmp_path: Path) -> None:
    run = make_whole_run(tmp_path / "kept")
    (tmp_path / "out").mkdir()
    results = together(lambda _: export(run, tmp_path / "out" / "run.zip", evidence=True), 8)
    assert codes(results) == ["file-exists"]
    assert sum(not isinstance(one, Exception) for one in results) == 1
    assert os.listdir(tmp_path / "out") == ["run.zip"]
    assert verify_archive(tmp_path / "out" / "run.zip").intact


def test_a_file_system_without_hard_links_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_new(tmp_path / "file", "first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", "second")
    assert (os.listdir(tmp_path), (tmp_path / "file").read_text()) == (["file"], "first")


def test_an_import_that_was_killed_a_day_ago_is_removed_and_one_that_goes_on_is_not(runs: Path) -> None:
    for name in ("old", "new"):
        (runs / f"{IMPORTING}{name}").mkdir()
    os.utime(runs / f"{IMPORTING}old", (0, 0))
    remove_leftovers(runs)
    assert sorted(os.listdir(runs)) == [f"{IMPORTING}new", FIRST]


def test_a_draft_can_be_read_again_before_it_gets_its_name(tmp_path: Path) -> None:
    with draft_of(tmp_path / "file") as draft:
        draft.write(b"text")
        draft.seek(0)
        assert (draft.read(), (tmp_path / "file").exists()) == (b"text", False)
