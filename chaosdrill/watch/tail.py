"""Files of JSON lines that grow: what is new of them since the last look, and no more than that is read."""

import os
from pathlib import Path
from typing import Any

from chaosdrill.runs.documents import open_regular
from chaosdrill.runs.lines import values

MOST = 8 * 2**20  # bytes of one look, and of one line


class Tail:
    """The lines of one file, as they are written; it may come later, and lines may be torn or none of JSON.

    :param path: the file.
    :param kind: of the values that are wanted; others are passed over.
    """

    def __init__(self, path: Path, kind: type) -> None:
        self.path = path
        self._kind = kind
        self._read_until = 0  # the end of the last whole line

    def news(self) -> list[Any]:
        """:returns: the values of the lines that were finished since the last time, in their order."""
        try:
            with open_regular(self.path) as file:
                data = self._data(file)
        except OSError:
            return []  # not there yet, or not there any more: records are stored as Parquet in the end
        lines = data.split(b"\n")[:-1]
        return [value for value in values(lines) if isinstance(value, self._kind)]

    def _data(self, file: Any) -> bytes:
        size = os.fstat(file.fileno()).st_size
        if size <= self._read_until:
            return b""
        file.seek(self._read_until)
        data: bytes = file.read(MOST)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == MOST:  # no line of a drill is that long: what is left of it is none, either
            whole = len(data)
            data = b""
        self._read_until += whole
        return data[:whole]

    @property
    def behind(self) -> bool:
        """Whether there is more that can be read at once."""
        try:
            return self.path.stat().st_size - self._read_until > MOST
        except OSError:
            return False
