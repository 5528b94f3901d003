"""A full disk and a read-only store: nothing half written stays, reading works, writing is one sentence."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaosdrill.client.heartbeat_records import HeartbeatFiles
from chaosdrill.errors import BadInput
from chaosdrill.history import History, read_history
from chaosdrill.history.seal import broken_seals
from chaosdrill.history.whole_files import PART, draft_of, write_new, write_whole
from chaosdrill.paths import ensure_directory, runs_directory
from chaosdrill.runs.recorded_hashes import untold_files
from chaosdrill.runs.verifying import verify_run
from tests.failing import fails_with
from tests.unit.test_owed import LOSS, died

SMALL = 4096  # bytes that a file may have: what a full disk does, on any machine


def full(function: str, path: Path) -> "subprocess.CompletedProcess[str]":
    """Write 10 kB in a process whose files may not grow."""
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; import chaosdrill.history.whole_files as there\n"
        f"try: there.{function}(Path({str(path)!r}), 'x' * 10_000)\n"
        "except OSError as error: print(error.errno, error.filename)"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))  # noqa: E731
    return subprocess.run([sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("function", ["write_whole", "write_new"])
def test_a_write_that_does_not_end_leaves_nothing_and_names_its_file(tmp_path: Path, function: str) -> None:
    path = tmp_path / "summary.json"
    assert full(function, path).stdout.split() == [str(errno.EFBIG), str(path)]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_may_have(size: int) -> Iterator[None]:
    """What a disk that has become full does to the files of this process."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_event_that_does_not_fit_is_neither_on_disk_nor_remembered(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(path)
    history.append("first")
    with files_may_have(path.stat().st_size + 50):
        with pytest.raises(OSError, match=r"history\.jsonl") as full:
            history.append("second", text="x" * 100)
        assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(path))
    assert [row["event"] for row in history.events()] == ["first"]
    history.append("third")
    history.close()
    assert [row["event"] for row in read_history(path)] == ["first", "third"], "and no half line between them"
    assert list(broken_seals(path.read_bytes().splitlines())) == []


def test_what_may_wait_for_the_disk_is_written_before_what_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(path)
    history.append("first")
    with files_may_have(path.stat().st_size + 50):
        history.remember("second", text="x" * 100)
        assert "history.jsonl" in history.unwritten
        with pytest.raises(OSError, match=r"history\.jsonl"):
            history.append("third", text="x" * 100)
        history.go_on_in_memory()
        history.append("fourth")
        assert [row["event"] for row in read_history(path)] == ["first"]
    assert [row["event"] for row in history.events()] == ["first", "second", "fourth"]
    history.append("fifth")
    assert history.unwritten == ""
    history.close()
    assert [row["event"] for row in read_history(path)] == ["first", "second", "fourth", "fifth"]
    assert list(broken_seals(path.read_bytes().splitlines())) == []


def test_records_that_do_not_fit_can_be_added_again(tmp_path: Path) -> None:
    kept = HeartbeatFiles(tmp_path, ())
    kept.append("beats.jsonl", b"one\n")
    with files_may_have(6), fails_with("store-not-writable"):
        kept.append("beats.jsonl", b"two two two\n")
    assert kept.sizes() == {"beats.jsonl": 4}
    kept.append("beats.jsonl", b"two two two\n")
    assert (tmp_path / "beats.jsonl").read_bytes() == b"one\ntwo two two\n"


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "tags.json"
    write_whole(path, "before")
    full("write_whole", path)
    assert path.read_text() == "before"
    with pytest.raises(FileExistsError):
        write_new(path, "after")
    assert os.listdir(tmp_path) == ["tags.json"]


def test_a_draft_is_removed_whatever_ends_it(tmp_path: Path) -> None:
    def cut() -> None:
        with draft_of(tmp_path / "file") as draft:
            draft.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut()
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_half_written_is_no_tampering(tmp_path: Path) -> None:
    run = died(tmp_path, "1-dead", LOSS)
    (run / f"summary.json.0123456789abcdef{PART}").write_text("half")
    found = verify_run(run, judging=False)
    assert [one.what for one in found.problems] == ["unfinished"], "only that the drill died"
    assert any("summary.json." in note for note in found.notes)
    assert untold_files(run, []) == {}


def test_the_runs_of_a_home_are_found_without_making_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHAOSDRILL_RUNS", raising=False)
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "none"))
    assert runs_directory() == tmp_path / "none" / "runs"
    assert not (tmp_path / "none").exists()


def test_a_place_that_cannot_be_made_has_a_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput) as error:
        ensure_directory(tmp_path / "file" / "x")
    assert error.value.codes == ("store-not-writable",)


READ_ONLY = "mount --bind {home} {home} && mount -o remount,ro,bind {home}"
FULL = (
    "mount -t tmpfs -o size=64k none {full} && cp -a {home}/. {full} && "
    "{{ cat /dev/zero > {full}/fill 2>/dev/null; true; }}"
)
COMMANDS: list[tuple[list[str], int]] = [
    (["runs", "list"], 0),
    (["runs", "show"], 0),
    (["runs", "verify"], 1),  # the drill died
    (["runs", "judge"], 1),
    (["runs", "tag", "2026"], 0),
    (["runs", "tag", "2026", "word"], 1),
    (["report"], 2),
    (["report", "--output", "{out}/page.html"], 0),
    (["runs", "export", "2026", "--output", "{out}/run.zip"], 0),
]


@pytest.mark.long
@pytest.mark.parametrize("trouble", [READ_ONLY, FULL], ids=["read-only", "full"])
def test_runs_are_read_and_what_writes_says_why_and_leaves_nothing_half_written(tmp_path: Path, trouble: str) -> None:
    """In a mount namespace of its own, with a real file system that cannot be written."""
    home, full_home, out = tmp_path / "home", tmp_path / "full", tmp_path / "out"
    died(home / "runs", "20260501T093000Z-failover-ab12", LOSS)
    full_home.mkdir()
    out.mkdir()
    there = home if trouble == READ_ONLY else full_home
    script = (
        trouble.format(home=home, full=full_home) + f' && {{ "$@"; rc=$?; find {there} -name "*.part"; exit $rc; }}'
    )
    environment = {**os.environ, "CHAOSDRILL_HOME": str(there)}
    environment.pop("CHAOSDRILL_RUNS", None)
    for command, code in COMMANDS:
        arguments = [sys.executable, "-m", "chaosdrill.cli", *(part.format(out=out) for part in command)]
        inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments]
        done = subprocess.run(inside, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, (command, done.stderr, done.stdout)
        assert "Traceback" not in done.stderr
        assert ".part" not in done.stdout
        if command[-1] == "word":
            assert "[store-not-writable]" in done.stderr
