"""The files with the rows of a load, one for each process that makes requests.

Each push is one write, at once: everything that the writer received is in the file when it is killed, and only the last
line can be incomplete.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.load import request_rows

DIRECTORY_VARIABLE, RUN_VARIABLE = "CHAOSDRILL_LOAD_RECORDS", "CHAOSDRILL_RUN"
TEMPORARY_PREFIX = "chaosdrill-load-records-"


@dataclass
class _File:
    path: Path
    descriptor: int
    size: int = 0
    ended: bool = False


class RecordFiles:
    """The files in one directory.

    :param directory: is created if it is missing.
    :param run: the run they belong to; empty: unknown.
    """

    def __init__(self, directory: Path, run: str) -> None:
        self.directory, self._run = directory, run
        self._files: dict[str, _File] = {}
        self._stopped = ""
        self._unrecorded: dict[str, str] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._stop(f"the directory {directory} cannot be made", error)

    def write(self, source: str, about: Mapping[str, Any], rows: str, until_ns: int) -> None:
        """Append rows and their watermark to a source's file, which begins with a header."""
        file = self._files.get(source)
        if file is None:
            if (file := self._begun(source)) is None:
                return
            rows = request_rows.header(source, self._run, dict(about)) + rows
        self._append(file, rows + request_rows.watermark(until_ns))

    def end(self, source: str, at_ns: int, rows: int) -> None:
        """Record that a source has ended in order, after so many requests."""
        file = self._files.get(source)
        if file is not None and not file.ended:
            self._append(file, request_rows.end(at_ns, rows))
            file.ended = True

    def note_trouble(self, source: str, why: str) -> None:
        """Note that a source could not record some of its requests.

        :param why: the reason; empty: it recorded all of them.
        """
        if why:
            self._unrecorded[source] = why

    @property
    def trouble(self) -> str:
        """Why something is missing; empty: nothing is."""
        return "; ".join(filter(None, [self._stopped, *(f"{name}: {why}" for name, why in self._unrecorded.items())]))

    def sizes(self) -> dict[str, int]:
        """Return the bytes in each file, by its name."""
        return {file.path.name: file.size for file in self._files.values()}

    def read(self, name: str, offset: int, most: int) -> bytes | None:
        """Return whole lines from an offset on, some ``most`` bytes; None: there is no such file."""
        found = [file.path for file in self._files.values() if file.path.name == name]
        return complete_lines(found[0], offset, most) if found else None

    def _begun(self, source: str) -> _File | None:
        if self._stopped:
            return None
        name = f"requests-{re.sub(r'[^A-Za-z0-9_.-]', '_', source)}"
        for number in range(1, 1000):  # an earlier process with the same number may have left files
            path = self.directory / (f"{name}.jsonl" if number == 1 else f"{name}-{number}.jsonl")
            try:
                made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                continue
            except OSError as error:
                self._stop(f"{path} cannot be made", error)
                return None
            self._files[source] = _File(path, made)
            return self._files[source]
        return None

    def _append(self, file: _File, text: str) -> None:
        """Append to a file. After a failed write a file is not continued, because its watermarks would be wrong."""
        if file.descriptor < 0:
            return
        data = memoryview(text.encode())
        try:
            while data:
                written = os.write(file.descriptor, data)
                data, file.size = data[written:], file.size + written
        except OSError as error:
            self._stop(f"{file.path} cannot be written", error)
            os.close(file.descriptor)
            file.descriptor = -1

    def _stop(self, what: str, error: OSError) -> None:
        self._stopped = self._stopped or f"requests are not recorded any more: {what}: {error.strerror or error}"


def complete_lines(path: Path, offset: int, most: int) -> bytes:
    """Return the lines of a file from an offset on: some ``most`` bytes, at least one line if there is one."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(most)
        end = data.rfind(b"\n") + 1
        if end or len(data) < most:
            return data[:end]
        rest = file.readline()
    return data + rest if rest.endswith(b"\n") else b""


def record_files() -> RecordFiles:
    """Return the files in the directory from the environment, or in a new temporary directory."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    directory = Path(named) if named else Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    return RecordFiles(directory.resolve(), os.environ.get(RUN_VARIABLE, ""))
