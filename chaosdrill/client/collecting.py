"""Collection of the request rows that Locust records, while it runs and after it has died.

Collection appends to the local file, so the local file's size is the offset at which it resumes. A Locust that writes
into the run directory needs no collection. After a Locust has died, its files are read from the directory that this
process assigned to it; an attached Locust has no such directory.

Responses are not trusted: they cannot name a directory on this machine, file names must match the plugin's pattern,
each file must begin with a header of its own source and this run, and all files together are limited to
:data:`MOST_BYTES`.
"""

import hashlib
import json
import math
import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from chaosdrill import history
from chaosdrill.client.locust_rest import LoadGenerator
from chaosdrill.client.plugin_responses import RequestFiles
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.messages import as_it_is, sentence, together
from chaosdrill.records.rows import END, REQUEST, REQUESTS, WATERMARK, is_row

CHUNK = 1_000_000  # bytes in one response
TAIL = 4_000  # bytes at the end of a file that are searched for its last rows
POLL_EVERY_S = 0.2
PATTERN = "requests-*.jsonl"
NAME = re.compile(r"requests-([A-Za-z0-9_][A-Za-z0-9_.-]{0,150})\.jsonl")  # as ``load.record_files`` names them
MOST_FILES = 1_000
MOST_BYTES = 16 * 2**30  # of all files of one run
LONGEST_HEADER = 10_000  # bytes
NOTHING: Mapping[str, int] = {}
_one_at_a_time = threading.Lock()  # two threads that fetch the same rows would append them twice


class _Files(Protocol):
    def records(self) -> RequestFiles:
        """Return the list of files."""

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """Return whole lines of one file."""


@dataclass(frozen=True)
class CollectedSource:
    """Summary of one source's rows as they were collected.

    :param file: name of the file.
    :param sha256: hash of the collected bytes.
    :param rows: number of requests.
    :param complete: whether nothing is missing.
    :param why: why something is missing; empty when the file is complete.
    """

    file: str
    sha256: str
    rows: int
    bytes: int
    complete: bool
    why: str


def marks(generator: LoadGenerator) -> Mapping[str, int]:
    """Return the current size of each file in bytes. Rows recorded before a drill began do not belong to it.

    :raises CannotSee: when Locust does not respond.
    """
    return generator.records().files


def collect(generator: LoadGenerator, into: Path, skip: Mapping[str, int] = NOTHING) -> None:
    """Fetch the new rows of each file and append them to the file of the same name in ``into``.

    Concurrent calls (by the load monitor and by a step that ends the load) run one after the other.

    :param skip: the result of :func:`marks` when the drill began; of the rows before it only the header is fetched.
    :raises CannotSee: when Locust does not respond, and its files cannot be read from this machine.
    :raises DrillError: when the response cannot be the rows of this run; nothing of such a file is stored.
    """
    into.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time:
        _collect(generator, into, skip)


def _collect(generator: LoadGenerator, into: Path, skip: Mapping[str, int]) -> None:
    directory = generator.records_directory
    if directory is not None and _same(directory, into):
        return
    try:
        _fetch(generator, generator.records(), into, skip)
    except CannotSee as silent:
        if (left := _left_behind(generator, into)) is None:
            raise
        try:
            _fetch(left, left.records(), into, skip)
        except OSError as error:
            text = f"{silent}; nor can its files in {left.directory} be read: {error}"
            raise CannotSee(text, code=silent.code) from error


def _fetch(files: _Files, there: RequestFiles, into: Path, skip: Mapping[str, int]) -> None:
    if len(there.files) > MOST_FILES:
        raise _refused(f"it names {len(there.files)} files, more than {MOST_FILES}")
    if strange := [name for name in there.files if not NAME.fullmatch(name)]:
        raise _refused(f"no file of rows is called {strange[0]!r:.200}")
    for name, size in there.files.items():
        _fetch_file(files, name, size, into / name, skip.get(name, 0))


def _fetch_file(files: _Files, name: str, size: int, path: Path, first: int) -> None:
    """Append the rows of one file that are not collected yet.

    :param first: offset in bytes at which this run's rows begin; before it only the header is fetched.
    """
    if first and not path.exists():
        path.write_bytes(_checked_header(name, files.record_file(name, 0, 1)))
    here = _whole(path) if path.exists() else 0
    offset = here if not first else here - len(_header(path)) + first
    left = MOST_BYTES - _bytes_in(path.parent)
    while offset < size and (data := files.record_file(name, offset, CHUNK)):
        if offset == 0:
            _checked_header(name, data)
        if len(data) > left:
            raise _refused(f"its rows have more than {MOST_BYTES:,} bytes")
        with open(path, "ab") as file:
            file.write(data)
        offset, left = offset + len(data), left - len(data)


def _checked_header(name: str, data: bytes) -> bytes:
    """Return the first line of a file, checked.

    :raises DrillError: when it is not a header of that file's source and of this run, or of a Locust without a run ID.
    """
    header = data.partition(b"\n")[0] + b"\n"
    said: object = None
    with suppress(ValueError):
        said = json.loads(header[:LONGEST_HEADER])
    if not isinstance(said, dict) or said.get("chaosdrill") != REQUESTS.kind:
        raise _refused(f"{name} does not begin with a header of rows")
    source, known = re.sub(r"[^A-Za-z0-9_.-]", "_", str(said.get("source"))), NAME.fullmatch(name)
    if known is None or not re.fullmatch(re.escape(source) + r"(-[0-9]{1,3})?", known[1]):
        raise _refused(f"{name} begins with the header of another source")
    if said.get("run") not in ("", history.run_id()):
        raise _refused(f"{name} begins with the header of another run")
    return header


def _refused(why: str) -> DrillError:
    text = f"the load generator's rows are not taken over: {why}: start Locust with the plugin of this chaosdrill"
    return DrillError(text, code="load-records-refused")


def _bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob(PATTERN))


def _whole(path: Path) -> int:
    """Truncate a last line that was not fully written: a process that collected before may have been killed.

    :returns: the size that is left, in bytes.
    """
    size, tail = path.stat().st_size, _tail(path)
    whole = size - len(tail) + tail.rfind(b"\n") + 1
    if whole < size:
        os.truncate(path, whole)
    return whole


def _header(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.readline(LONGEST_HEADER)


def _tail(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        return file.read()


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.is_absolute() and one.samefile(other)
    return False


class _Directory:
    """The files of a Locust that has died, on this machine."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        self.directory, self._names = directory, names

    def records(self) -> RequestFiles:
        """Return the list of files."""
        return RequestFiles(str(self.directory), {name: (self.directory / name).stat().st_size for name in self._names})

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """Return lines of one file, and an unfinished last line as far as it was written."""
        with open(self.directory / name, "rb") as file:
            file.seek(offset)
            return file.read(most) + file.readline()


def _left_behind(generator: LoadGenerator, into: Path) -> _Directory | None:
    """Return the files of a Locust that does not respond; None when this process assigned no directory."""
    known, directory = generator.last_records, generator.records_directory
    if known is None or directory is None:
        return None
    named = [name for name in known.files if NAME.fullmatch(name)]
    names = [name for name in named if _is_ours(directory / name, into / name)]
    return _Directory(directory, names) if names else None


def _is_ours(there: Path, here: Path) -> bool:
    """Return whether a file is this run's. Another host may have a directory of the same name: the header decides."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        if there.is_symlink():
            return False
        if here.is_file() and (known := _header(here)):
            return known == _header(there)
        return bool(json.loads(_header(there))["host"] == socket.gethostname())
    return False


def finish(
    generator: LoadGenerator | None, into: Path, skip: Mapping[str, int] = NOTHING, within_s: float = 5.0
) -> tuple[CollectedSource, ...]:
    """Collect the remaining rows when a drill ends: requests that have ended until now. Never raises.

    :param generator: the load generator; None when it is gone, and only the collected rows are left.
    :param within_s: how long to wait for rows that a running Locust has not written yet, in seconds.
    :returns: a summary of each collected file.
    """
    wanted, why, deadline = _now_there(generator), "", time.monotonic() + within_s
    while generator is not None:
        try:
            collect(generator, into, skip)
        except (DrillError, OSError) as error:
            why = str(error)
            break
        if time.monotonic() > deadline or not any(_is_late(path, wanted) for path in into.glob(PATTERN)):
            break
        time.sleep(POLL_EVERY_S)
        wanted = {**_now_there(generator), **wanted}  # the clock of a worker that has just joined may be unknown yet
    trouble = "" if generator is None or generator.last_records is None else generator.last_records.trouble
    return tuple(
        _collected(path, wanted, why or trouble, bool(skip.get(path.name))) for path in sorted(into.glob(PATTERN))
    )


def _now_there(generator: LoadGenerator | None) -> Mapping[str, int]:
    """Return the current time on the clock of each live source, in nanoseconds since the epoch."""
    with suppress(DrillError, OSError):
        readings = generator.clocks() if generator is not None else {}
        return {source: time.time_ns() + one.offset_ns for source, one in readings.items()}
    return {}


def _is_late(path: Path, wanted: Mapping[str, int]) -> bool:
    """Return whether more rows can arrive from a live source, or from one whose clock is not known yet."""
    until_ns, ended = _progress(path)
    return bool(wanted) and not ended and until_ns < wanted.get(_source(path), math.inf)


def _progress(path: Path) -> tuple[int, bool]:
    """Return the time up to which a file is complete (its source's clock, ns), and whether it ends with its end row."""
    until_ns, ended = 0, False
    for line in _tail(path).splitlines():
        if is_row(line, WATERMARK, END):
            with suppress(ValueError):
                until_ns, ended = json.loads(line)[1], is_row(line, END)
    return until_ns, ended


def _counted(path: Path) -> int:
    """Return the request count in a file's end row, including requests that could not be recorded; -1 without one."""
    with suppress(ValueError, TypeError, IndexError):
        return int(json.loads(_tail(path).splitlines()[-1])[2])
    return -1


def _source(path: Path) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(_header(path))["source"])
    return ""


def _collected(path: Path, wanted: Mapping[str, int], trouble: str, partial: bool) -> CollectedSource:
    """Return the summary of a collected file.

    :param partial: whether the file began before the drill, so that its end row counts more requests than were
        collected.
    """
    digest, rows, size = hashlib.sha256(), 0, 0
    with open(path, "rb") as file:
        for line in file:
            digest.update(line)
            rows += is_row(line, REQUEST)
            size += len(line)
    until_ns, ended = _progress(path)
    wanted_ns = wanted.get(_source(path))
    if ended and not partial and (counted := _counted(path)) != rows:
        why = sentence("it recorded {rows} of the {counted} requests that it made", rows=rows, counted=counted)
        return CollectedSource(path.name, digest.hexdigest(), rows, size, False, why)
    if ended or (wanted_ns is not None and until_ns >= wanted_ns and not trouble):
        return CollectedSource(path.name, digest.hexdigest(), rows, size, True, "")
    until = datetime.fromtimestamp(until_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    missing = sentence("it did not end in order: what it saw after {until} (its clock) is missing", until=until)
    why = together([missing, *([as_it_is(trouble)] if trouble else [])])
    return CollectedSource(path.name, digest.hexdigest(), rows, size, False, why)
