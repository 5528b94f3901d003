"""JSON Lines files that lose at most 0.5 s if the process is killed."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosdrill.records import rows

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class JsonLines:
    """A JSON Lines file. Lines wait in memory until :meth:`flush`, so that a beat never waits for a disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._lines: list[str] = []
        self._unwritten = b""

    def add(self, line: Any) -> None:
        """Add a line."""
        self._lines.append(_encode(line))

    def flush(self) -> None:
        """Write all lines to the kernel. Lines that a full disk does not accept are tried again the next time."""
        if self._lines:
            self._unwritten += ("\n".join(self._lines) + "\n").encode("utf-8", "replace")
            self._lines.clear()
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]
            self.trouble = ""
        except OSError as error:
            self.trouble = f"{self.path} cannot be written: {error}: make room, the lines wait in memory"

    @property
    def size(self) -> int:
        """The number of bytes in the file."""
        return os.fstat(self._file).st_size

    def read(self, offset: int, limit: int) -> bytes:
        """Return whole lines from ``offset`` on, no more than ``limit`` bytes but always one if there is one."""
        with open(self.path, "rb") as file:
            file.seek(offset)
            found = file.read(limit)
            end = found.rfind(b"\n") + 1
            if end:
                return found[:end]
            found += file.readline()
        return found if found.endswith(b"\n") else b""


class BeatRecorder:
    """The file ``beats.jsonl``: every beat, every lookup, and until when they are complete."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.file = JsonLines(path)
        self.file.add(rows.header(rows.BEATS.kind, header))
        self.watermark_ns = 0

    def beat(self, row: Sequence[Any]) -> None:
        """Record a beat: the columns of ``rows.BEATS``."""
        self.file.add([rows.BEAT, *row])

    def lookup(self, at_ns: int, addresses: Sequence[str], ttl_s: int, error: str) -> None:
        """Record a DNS lookup."""
        self.file.add([rows.LOOKUP, at_ns, addresses, ttl_s, error])

    def watermark(self, until_ns: int) -> None:
        """Record that every beat that was due before ``until_ns`` has been added."""
        if until_ns > self.watermark_ns:
            self.watermark_ns = until_ns
            self.file.add([rows.WATERMARK, until_ns])

    def end(self, at_ns: int, sent: Sequence[int]) -> None:
        """Record that nothing follows."""
        self.file.add([rows.END, at_ns, sent])
