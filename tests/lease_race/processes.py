"""A process whose forks write what they do to stdout, as JSON lines."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.waiting import LONG_S

Line = dict[str, Any]


class NoProgress(AssertionError):
    """A line did not come for minutes."""


class Processes:
    """``python -m MODULE ARGUMENTS``, its forks, and the lines that they write.

    :param log: the file for stderr.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path, **variables: str) -> None:
        self.lines: list[Line] = []
        self._new: queue.Queue[Line | None] = queue.Queue()
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **variables},
            start_new_session=True,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            self.lines.append(line)
            self._new.put(line)
        self._new.put(None)

    def next(self, event: str, is_it: Callable[[Line], object] = bool, **facts: Any) -> Line:
        """Wait for the next line with an event; earlier ones that were not read are dropped."""
        give_up = time.monotonic() + LONG_S
        while True:
            try:
                line = self._new.get(timeout=max(0.01, give_up - time.monotonic()))
            except queue.Empty:
                raise NoProgress(f"no {event} {facts} for {LONG_S:g} s; the last: {self.lines[-5:]}") from None
            assert line is not None, f"the processes ended: {Path(self._log.name).read_text()}"
            if line["event"] == event and _has(line, facts) and is_it(line):
                return line

    def said(self, event: str, **facts: Any) -> list[Line]:
        """List the lines by now with an event."""
        return [line for line in list(self.lines) if line["event"] == event and _has(line, facts)]

    def forget(self) -> None:
        """Drop the lines that were not read."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._new.get_nowait()

    def end(self) -> None:
        """Close stdin, and wait until the processes have ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(LONG_S)
        self._reader.join(LONG_S)
        self.close()

    def close(self) -> None:
        """Kill what still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._log.close()


def _has(line: Line, facts: Mapping[str, Any]) -> bool:
    return all(line.get(name) == value for name, value in facts.items())
