"""The records of a heartbeat in the run directory: collected while it runs, and recorded in the history at the end."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.errors import DrillError
from chaosdrill.messages import sentence
from chaosdrill.records import rows
from chaosdrill.records.ledger import READ_BACK_ENDED
from chaosdrill.records.rows import is_row

BEATS, LEDGER = "beats.jsonl", "ledger.jsonl"
TAIL = 500_000  # bytes: many times a minute of two operations at 20/s
NO_ADDRESS = ("lookup-nxdomain", "lookup-no-address")  # results of a lookup that got a response
RECORDS = "records"  # in the run directory
_DUE_NS, _DURATION_US, _OUTCOME = map(rows.BEATS.place, ("due_ns", "duration_us", "outcome"))


@dataclass(frozen=True)
class CollectedFile:
    """Summary of a file of raw records as it was collected.

    :param sha256: hash of its bytes; None when nothing could be collected.
    :param complete: whether it ends with its end row, and all of it was collected; else ``why`` gives the reason.
    """

    file: str
    sha256: str | None
    rows: int
    bytes: int
    complete: bool
    why: str


class HeartbeatFiles:
    """The record files of one heartbeat in a directory.

    :param wanted: names of the files that there must be.
    """

    def __init__(self, directory: Path, wanted: tuple[str, ...]) -> None:
        self.directory, self._wanted = directory, wanted
        self._told = False
        self._lookups_read = 0  # bytes
        self._last_lookup: list[Any] | None = None

    def sizes(self) -> dict[str, int]:
        """Return the size of each local file in bytes."""
        return {path.name: path.stat().st_size for path in self.directory.glob("*.jsonl")}

    def append(self, name: str, data: bytes) -> None:
        """Append data to a file.

        :param name: one of the heartbeat's own file names. The client host supplies it, so any other name is refused.
        :raises DrillError: when it cannot be written; then the file is unchanged, and the call can be repeated.
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
        """Return how long every beat before the last one got the expected response in time, in seconds. Only the last
        minute or so is read.
        """
        path = self.directory / BEATS
        if not path.is_file():
            return 0.0
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().split(b"\n")[1:-1]  # the first may be cut off
        beats = [json.loads(line) for line in lines if is_row(line, rows.BEAT)]
        missed = [_due_ns(beat) for beat in beats if beat[_OUTCOME] != rows.OK or beat[_DURATION_US] > deadline_s * 1e6]
        due = [_due_ns(beat) for beat in beats]
        return (max(due) - max(missed, default=min(due))) / 1e9 if due else 0.0

    def last_lookup(self, oldest_s: float) -> tuple[str, ...] | None:
        """Return the addresses of the heartbeat's last DNS lookup.

        :param oldest_s: greatest age of the last collected record, in seconds.
        :returns: the addresses; empty where the name has none; None when the lookup failed, or the records are too old.
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
            if is_row(line, rows.LOOKUP):
                self._last_lookup = json.loads(line)
        if self._last_lookup is None:
            return None
        _, _, addresses, _, error = self._last_lookup
        return tuple(sorted(addresses)) if not error or error in NO_ADDRESS else None

    def ledger_with(self, label: str) -> list[dict[str, Any]] | None:
        """Return the rows of the ledger once it contains the end of a read-back; None before.

        :param label: label of the read-back.
        """
        path = self.directory / LEDGER
        if not path.is_file():
            return None
        lines = path.read_bytes().split(b"\n")[:-1]
        ended = (json.loads(line) for line in reversed(lines) if READ_BACK_ENDED.encode() in line)
        if not any(row.get("row") == READ_BACK_ENDED and row.get("label") == label for row in ended):
            return None
        return [json.loads(line) for line in lines]

    def tell(self, why: str = "") -> None:
        """Record in the history what was collected, once.

        :param why: why records may be missing; empty: the files show it themselves.
        """
        if not self._told:
            self._told = True
            for name in self._wanted:
                history.record("records-collected", **asdict(collected(self.directory / name, why)))


def _due_ns(beat: list[int]) -> int:
    return beat[_DUE_NS]


def collected(path: Path, why: str = "") -> CollectedFile:
    """Return the summary of a collected file.

    :param why: why records may be missing; empty: the file shows it itself.
    """
    if not path.is_file():
        return CollectedFile(path.name, None, 0, 0, False, why or sentence("nothing of it was recorded"))
    data = path.read_bytes()
    sha256, rows = hashlib.sha256(data).hexdigest(), data.count(b"\n")
    if ended(data):
        return CollectedFile(path.name, sha256, rows, len(data), True, "")
    reason = why or sentence("it was not written to its end: the heartbeat was ended without being stopped, or died")
    return CollectedFile(path.name, sha256, rows, len(data), False, reason)


def ended(data: bytes) -> bool:
    """Return whether records end with a complete end row."""
    if not data.endswith(b"\n"):
        return False
    try:
        last = json.loads(data[data[:-1].rfind(b"\n") + 1 :])
    except ValueError:
        return False
    return bool(last[0] == "e" if isinstance(last, list) else isinstance(last, dict) and last.get("row") == "end")
