"""What a heartbeat has recorded, in the run directory: taken over bit by bit, and told of at the end."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.errors import DrillError
from chaosdrill.sentences import sentence

BEATS, LEDGER = "beats.jsonl", "ledger.jsonl"
TAIL = 500_000  # bytes: a minute of two operations at 20/s, many times over
NO_ADDRESS = ("lookup-nxdomain", "lookup-no-address")  # of a lookup that was answered
RECORDS = "records"  # in the run directory
READ_BACK_ENDED = "read-back-ended"


@dataclass(frozen=True)
class Collected:
    """A file of raw records, as it was collected.

    :param sha256: of its bytes; None: nothing of it could be had.
    :param complete: whether it was written to its end in order, and all of it is here; else ``why`` not.
    """

    file: str
    sha256: str | None
    rows: int
    bytes: int
    complete: bool
    why: str


class Kept:
    """The files of one heartbeat in a directory.

    :param wanted: which there must be.
    """

    def __init__(self, directory: Path, wanted: tuple[str, ...]) -> None:
        self.directory, self._wanted = directory, wanted
        self._told = False
        self._lookups_read = 0  # bytes
        self._last_lookup: list[Any] | None = None

    def sizes(self) -> dict[str, int]:
        """:returns: how much of each file is here, in bytes."""
        return {path.name: path.stat().st_size for path in self.directory.glob("*.jsonl")}

    def append(self, name: str, data: bytes) -> None:
        """Add what came next.

        :param name: of one of a heartbeat's own files; the client host names it, and is not trusted with others.
        :raises DrillError: when it cannot be written; then nothing of it is, and it can be added another time.
        """
        if name not in (BEATS, LEDGER):
            why = f"the client host names {name!r:.200} as a file of the heartbeat's: it has {BEATS} and {LEDGER}"
            raise DrillError(why, code="client-response-unexpected")
        path = self.directory / name
        with open(path, "ab", buffering=0) as file:
            begin, left = file.tell(), memoryview(data)
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(begin)
                why = f"what the heartbeat recorded cannot be kept: {error.strerror}: {path}"
                raise DrillError(why, code="store-not-writable") from error

    def good_for_s(self, deadline_s: float) -> float:
        """:returns: for how long before the last beat that is here every beat was answered as it should be, in time; in
        seconds, of the last minute or so.
        """
        path = self.directory / BEATS
        if not path.is_file():
            return 0.0
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().split(b"\n")[1:-1]  # the first may be cut off
        beats = [json.loads(line) for line in lines if line.startswith(b'["b"')]
        missed = [_due_ns(beat) for beat in beats if beat[6] != 0 or beat[5] > deadline_s * 1e6]
        due = [_due_ns(beat) for beat in beats]
        return (max(due) - max(missed, default=min(due))) / 1e9 if due else 0.0

    def last_lookup(self, oldest_s: float) -> tuple[str, ...] | None:
        """:returns: the addresses of the heartbeat's last DNS lookup; none where the name has no address; None when
        that lookup failed, or nothing that it recorded has come within ``oldest_s`` seconds.
        """
        path = self.directory / BEATS
        if not path.is_file() or time.time() - path.stat().st_mtime > oldest_s:
            return None
        with open(path, "rb") as file:
            file.seek(self._lookups_read)
            news = file.read()
        whole = news[: news.rfind(b"\n") + 1]
        self._lookups_read += len(whole)
        for line in whole.splitlines():
            if line.startswith(b'["d"'):
                self._last_lookup = json.loads(line)
        if self._last_lookup is None:
            return None
        _, _, addresses, _, error = self._last_lookup
        return tuple(sorted(addresses)) if not error or error in NO_ADDRESS else None

    def ledger_with(self, label: str) -> list[dict[str, Any]] | None:
        """:returns: the rows of the ledger, once the end of the read-back of that name is here; until then None."""
        path = self.directory / LEDGER
        if not path.is_file():
            return None
        lines = path.read_bytes().split(b"\n")[:-1]
        ended = (json.loads(line) for line in reversed(lines) if b"read-back-ended" in line)
        if not any(row.get("row") == READ_BACK_ENDED and row.get("label") == label for row in ended):
            return None
        return [json.loads(line) for line in lines]

    def tell(self, why: str = "") -> None:
        """Write what was collected to the history, once.

        :param why: why something may be missing; empty: the files themselves say.
        """
        if not self._told:
            self._told = True
            for name in self._wanted:
                history.record("records-collected", **asdict(collected(self.directory / name, why)))


def _due_ns(beat: list[int]) -> int:
    return beat[3]


def collected(path: Path, why: str = "") -> Collected:
    """:returns: what is here of a file.

    :param why: why something of it may be missing; empty: the file itself says.
    """
    if not path.is_file():
        return Collected(path.name, None, 0, 0, False, why or sentence("nothing of it was recorded"))
    data = path.read_bytes()
    sha256, rows = hashlib.sha256(data).hexdigest(), data.count(b"\n")
    if ended(data):
        return Collected(path.name, sha256, rows, len(data), True, "")
    reason = why or sentence("it was not written to its end: the heartbeat was ended without being stopped, or died")
    return Collected(path.name, sha256, rows, len(data), False, reason)


def ended(data: bytes) -> bool:
    """:returns: whether records end with the row that says so, in a whole line."""
    if not data.endswith(b"\n"):
        return False
    try:
        last = json.loads(data[data[:-1].rfind(b"\n") + 1 :])
    except ValueError:
        return False
    return bool(last[0] == "e" if isinstance(last, list) else isinstance(last, dict) and last.get("row") == "end")
