"""Incremental reading of JSON Lines files while they grow."""

import os
from pathlib import Path
from typing import Any

from chaosdrill.runs.documents import open_regular
from chaosdrill.runs.jsonl import values

MOST = 8 * 2**20  # bytes of one read, and of one line


class Tail:
    """The lines of one file as they are written; the file may appear later, and lines may be incomplete or invalid.

    :param path: the file.
    :param kind: the type of the values to return; others are skipped.
    """

    def __init__(self, path: Path, kind: type) -> None:
        self.path = path
        self._kind = kind
        self._read_until = 0  # the end of the last whole line

    def news(self) -> list[Any]:
        """Return the values of the lines that were completed since the last call, in order."""
        try:
            with open_regular(self.path) as file:
                data = self._data(file)
        except OSError:
            return []  # not written yet, or replaced by Parquet at the end
        lines = data.split(b"\n")[:-1]
        return [value for value in values(lines) if isinstance(value, self._kind)]

    def _data(self, file: Any) -> bytes:
        size = os.fstat(file.fileno()).st_size
        if size <= self._read_until:
            return b""
        file.seek(self._read_until)
        data: bytes = file.read(MOST)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == MOST:  # too long for a line of a drill: its rest is invalid, too
            whole = len(data)
            data = b""
        self._read_until += whole
        return data[:whole]

    @property
    def behind(self) -> bool:
        """Whether more than one read is pending."""
        try:
            return self.path.stat().st_size - self._read_until > MOST
        except OSError:
            return False
