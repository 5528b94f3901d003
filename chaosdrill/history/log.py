"""The append-only, time-ordered record of a drill: one JSON object a line, on disk before it is acted on."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.history.json_safe import to_json_safe
from chaosdrill.history.seal import SEAL, sealed
from chaosdrill.messages import SAID, sentences_to_json

Event = dict[str, Any]
WRITER_SEEN = 5  # this many times in a row, within 50 ms: another reader holds its shared lock for an instant only
READERS_WITHIN_S = 10.0


def utc_now() -> str:
    """Return the present time, UTC, ISO 8601 with milliseconds: ``2026-05-01T09:30:00.123Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class History:
    """A writer of ``history.jsonl``; safe to use from several threads. The file is locked until it is closed or the
    process ends, so that other processes can check whether the drill is still running (:func:`claimed`).

    :param path: the file; created when it is missing, otherwise continued.
    :param hide: texts that are never written (secrets); they become ``***``.
    """

    def __init__(self, path: Path, hide: Iterable[str] = ()) -> None:
        self.path = path
        self._hide = frozenset(hide)
        self._lock = threading.Lock()
        self._file = open(path, "a+b", buffering=0, opener=_private)  # noqa: SIM115 - closed by close()
        with suppress(OSError):  # a file system without locks: other processes cannot claim the file, either
            fcntl.flock(self._file, fcntl.LOCK_SH)
        self._events: list[Event] = read_history(path)
        self._seal = str(self._events[-1].get(SEAL, "")) if self._events else ""
        self._waiting: list[bytes] = []  # lines that are not on disk yet
        self._may_wait = False
        self.unwritten = ""  # why some of the events are in memory only; empty when all are on disk

    def append(self, event: str, **facts: Any) -> Event:
        """Write one event and flush it to disk before returning.

        :param event: what happened, a short noun phrase such as ``activity-started``.
        :param facts: converted to JSON values (see ``plain``); the templates of sentences are stored under ``said``.
        :returns: the event as written, with ``at`` (UTC) and ``monotonic_s`` (seconds, this machine's monotonic clock).
        :raises ValueError: when a fact has the name of a field that every event has, which it would overwrite.
        :raises OSError: when it cannot be written (the disk is full); then it is not kept in memory either.
        """
        return self._append(event, facts, self._may_wait)

    def remember(self, event: str, **facts: Any) -> Event:
        """Like :meth:`append`, but keep an event in memory that cannot be written, and write it with the next one
        that can.
        """
        return self._append(event, facts, True)

    def go_on_in_memory(self) -> None:
        """Keep every later event in memory if it cannot be written: no undo must fail because it cannot be recorded."""
        self._may_wait = True

    def _append(self, event: str, facts: Mapping[str, Any], may_wait: bool) -> Event:
        said = sentences_to_json(facts)
        known = to_json_safe({**facts, SAID: said} if said else facts, self._hide)
        if taken := {"at", "monotonic_s", SEAL} & known.keys():
            raise ValueError(f"{event}: an event's own {', '.join(sorted(taken))} cannot be given as a fact: rename it")
        with self._lock:
            row: Event = {"at": utc_now(), "monotonic_s": round(time.monotonic(), 4), "event": event, **known}
            line = json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace")
            line, seal = sealed(line, self._seal)
            self._waiting.append(line + b"\n")
            try:
                self._write()
            except OSError as error:
                self.unwritten = f"{error.strerror}: {self.path}"
                if not may_wait:
                    self._waiting.pop()
                    raise OSError(error.errno, error.strerror, str(self.path)) from error
            self._seal = seal
            self._events.append(json.loads(line))
            return row

    def _write(self) -> None:
        """Write all waiting lines or none: a partial line would merge with the next one."""
        descriptor, left = self._file.fileno(), memoryview(b"".join(self._waiting))
        begin = os.fstat(descriptor).st_size
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, begin)
            raise
        self._waiting.clear()
        self.unwritten = ""

    def events(self, event: str | None = None) -> list[Event]:
        """Return the events so far, oldest first; only those named ``event`` when it is given."""
        with self._lock:
            return [row for row in self._events if event is None or row["event"] == event]

    def close(self) -> None:
        """Close the file; later appends raise ValueError."""
        self._file.close()


def _private(path: str, flags: int) -> int:
    """Open the file so that only this user may read it, whatever the umask is."""
    return os.open(path, flags, 0o600)


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Yield whether no process writes a history any more; during the block, none begins to.

    :param path: its file.
    :returns: False when a process writes it, when the file is missing, and when that cannot be determined.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        ours = _locked(descriptor)
    except OSError:  # a file system without locks
        ours = False
    try:
        yield ours
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock the file against writers. A writer holds a shared lock; another reader like this one holds it alone for a
    moment.
    """
    writers, give_up = 0, time.monotonic() + READERS_WITHIN_S
    while writers < WRITER_SEEN and time.monotonic() < give_up:
        if _flock(descriptor, fcntl.LOCK_EX):
            return True
        if _flock(descriptor, fcntl.LOCK_SH):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            writers += 1
        time.sleep(0.01)
    return False


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_history(path: Path) -> list[Event]:
    """Read a ``history.jsonl``, also one whose last line was cut off by a crash.

    :returns: its events, oldest first.
    :raises ValueError: when a line other than the last is not JSON.
    """
    lines = path.read_bytes().split(b"\n")
    whole, rest = lines[:-1], lines[-1]
    events = [json.loads(line) for line in whole]
    if rest:
        try:
            events.append(json.loads(rest))
        except ValueError:
            events.append({"event": "cut-off", "bytes": len(rest)})
    return events
