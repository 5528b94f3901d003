"""``chaosdrill watch`` as it is typed: on a real (pseudo) terminal, and where there is none."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosdrill.history import History
from chaosdrill.paths import RUNS_VARIABLE
from tests.replay import Replay, lines_of_run
from tests.synthetic_run import HOME, RUN_ID, make_run
from tests.waiting import LONG_S
from tests.whole_run import make_whole_run

COMMAND = [sys.executable, "-m", "chaosdrill.cli", "watch"]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.setenv("TERM", "xterm-256color")
    return Replay(lines_of_run(tmp_path / "stored", time.time() - 20), tmp_path / "runs" / RUN_ID)


@pytest.fixture
def held(replay: Replay) -> Iterator[History]:
    history = History(replay.directory / "history.jsonl")
    yield history
    history.close()


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *command: str, columns: int = 100, rows: int = 30) -> None:
        self.said = ""
        self._fd, theirs = pty.openpty()
        self.resize(columns, rows)
        on_it = ("setsid", "--ctty", *command)  # its own terminal: Ctrl-C and a change of its size are signals to it
        self._process = subprocess.Popen(on_it, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def read_until(self, seen: Callable[["Terminal"], bool]) -> None:
        """Read until the condition holds.

        :raises AssertionError: when it does not in time, or the command ends before.
        """
        give_up = time.monotonic() + LONG_S
        while not seen(self):
            assert time.monotonic() < give_up, self.frame
            assert self._read(), self.said[-3000:]

    def _read(self) -> bool:
        if not select.select([self._fd], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.said += data.decode(errors="replace")
        return bool(data)

    @property
    def frame(self) -> list[str]:
        """The last screen that was drawn to its end."""
        frames = self.said.split("\x1b[H")
        text = ESCAPE.sub("", frames[-2] if len(frames) > 2 else frames[-1])
        return [line.rstrip() for line in text.replace("\r", "").split("\n")]

    def exit_code(self) -> int:
        while self._read():
            pass
        os.close(self._fd)
        return self._process.wait(LONG_S)


def shows(*words: str) -> Callable[[Terminal], bool]:
    return lambda terminal: all(word in "\n".join(terminal.frame) for word in words)


def test_it_follows_a_drill_on_a_terminal_to_its_end_and_leaves_the_terminal_as_it_was(replay, held):
    terminal = Terminal(*COMMAND)
    replay.write("history.jsonl", 4)
    terminal.read_until(shows(RUN_ID, "goes on", f"serving({HOME})", "none yet"))
    replay.write("records/beats.jsonl", 1 + 11 * 42 + 2 * 11)
    replay.write("timeline.jsonl", 110)
    terminal.read_until(shows("OUTAGE", "hhhhhhhhh", "errors"))
    replay.rest()
    terminal.read_until(shows("PASSED"))
    held.close()
    assert terminal.exit_code() == 0
    assert terminal.said.count("\x1b[?1049h") == terminal.said.count("\x1b[?1049l") == 1
    assert terminal.said.rindex("\x1b[?25h") > terminal.said.rindex("\x1b[?25l"), "the cursor is there again"
    left = ESCAPE.sub("", terminal.said[terminal.said.index("\x1b[?1049l") :])
    assert "PASSED" in left
    assert f": {replay.directory}" in left


def test_it_fits_a_terminal_that_is_made_smaller_while_it_is_watched(replay, held):
    replay.write("history.jsonl", 30)
    replay.write("records/beats.jsonl", 900)
    terminal = Terminal(*COMMAND, columns=140, rows=40)
    terminal.read_until(shows("region", "done: start-load"))
    terminal.resize(50, 12)
    terminal.read_until(lambda seen: max(map(len, seen.frame)) <= 50 and shows("region")(seen))
    assert len(terminal.frame) <= 12
    terminal.resize(120, 30)
    terminal.read_until(lambda seen: any(len(line) > 60 for line in seen.frame))
    terminal.type(b"\x03")
    assert terminal.exit_code() == 0


def test_ctrl_c_leaves_with_0_and_the_drill_is_untouched(replay, held):
    replay.write("history.jsonl", 10)
    before = {path: path.stat().st_mtime_ns for path in replay.directory.rglob("*")}
    terminal = Terminal(*COMMAND, RUN_ID)
    terminal.read_until(shows("goes on"))
    terminal.type(b"\x03")
    assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.said
    assert "\x1b[?1049l" in terminal.said
    assert {path: path.stat().st_mtime_ns for path in replay.directory.rglob("*")} == before
    held.append("phase", phase="method")


def test_ctrl_c_while_it_waits_for_a_drill_leaves_with_0(replay):
    terminal = Terminal(*COMMAND)
    terminal.read_until(lambda seen: "Ctrl-C" in seen.said)
    terminal.type(b"\x03")
    assert (terminal.exit_code(), "Traceback" in terminal.said) == (0, False)


def watched(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_without_a_terminal_it_writes_a_line_a_change_and_no_escapes(replay, held):
    with watched(RUN_ID) as drill:
        replay.rest()
        held.close()
        said, _ = drill.communicate(timeout=LONG_S)
    assert drill.returncode == 0
    lines = said.splitlines()
    assert lines[0].endswith(": ")
    assert any(line.endswith(": PASSED") for line in lines)
    assert lines[-1].endswith(f": {replay.directory}")
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d .+|run directory: .+", line) for line in lines)
    assert "\x1b" not in said


def test_machines_get_a_json_line_a_change_and_nothing_else(replay, held):
    replay.rest()
    held.close()
    done = subprocess.run([*COMMAND, RUN_ID, "--json"], capture_output=True, text=True, timeout=LONG_S, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"run", "at_s", "event", "words", "phase", "region", "error_ratio"} <= set(rows[0])
    assert [row["event"] for row in rows].count("outage-began") == 2
    assert rows[-1]["event"] == "drill-closed"


def test_a_drill_that_is_killed_is_told_with_1(replay, tmp_path):
    replay.write("history.jsonl", 10)
    path = str(replay.directory / "history.jsonl")
    script = (
        "import sys, time; from pathlib import Path; from chaosdrill.history import History; "
        "kept = History(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        assert drill.stdout.readline() == "held\n"
        with watched() as watch:
            assert watch.stdout is not None
            first = watch.stdout.readline()
            drill.send_signal(signal.SIGKILL)
            said, warned = watch.communicate(timeout=LONG_S)
    assert " opened" in first
    assert " DIED: " in said
    assert "chaosdrill runs judge" in warned
    assert watch.returncode == 1


def test_a_run_that_there_is_none_of_is_bad_usage(replay):
    done = subprocess.run([*COMMAND, "nope"], capture_output=True, text=True, timeout=LONG_S, check=False)
    assert (done.returncode, "[run-missing]" in done.stderr) == (2, True)


def test_a_stored_run_of_which_there_is_a_report_says_where_it_is(replay, tmp_path):
    run = make_run(tmp_path / "other")
    (run / "report.html").write_text("<html>")
    done = subprocess.run([*COMMAND, str(run)], capture_output=True, text=True, timeout=LONG_S, check=True)
    assert done.stdout.splitlines()[-1] == f"report: {run / 'report.html'}"


def test_a_terminal_that_knows_no_escapes_and_no_japanese_gets_plain_lines(replay, tmp_path, monkeypatch):
    run = make_whole_run(tmp_path / "other", title="東京から大阪へ")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal(*COMMAND, str(run))
    assert terminal.exit_code() == 0
    assert "\x1b" not in terminal.said
    assert " \\u6771\\u4eac" in terminal.said


def test_the_local_time_stands_beside_utc(tmp_path: Path) -> None:
    run = make_whole_run(tmp_path / "other")
    done = subprocess.run([*COMMAND, str(run), "--tz", "Asia/Tokyo"], capture_output=True, text=True, check=True)
    times = re.findall(r"^(\d\d):(\d\d:\d\d) \((?:\S+ )?(\d\d):(\d\d:\d\d) JST\) \S", done.stdout, re.M)
    assert times
    assert all((int(here) + 9) % 24 == int(there) and rest == also for here, rest, there, also in times)
