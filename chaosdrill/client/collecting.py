"""Fetches the rows of a load from where Locust writes them, while it goes on and after it has died.

What has been fetched is the beginning of the file, so how much of it is here says where to go on. A Locust that writes
into the run directory itself needs no fetching. The files of one that is dead are read from the directory that this
process told it to write to; one that was attached to has none.

What a page responds is not trusted: it names no directory of this machine, its file names follow the plugin's pattern,
each file begins with a header of its own source and of this run, and together they are at most :data:`MOST_BYTES` long.
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
from chaosdrill.client.load_seen import Records
from chaosdrill.client.locust_rest import LoadGenerator
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.sentences import as_it_is, sentence, together

CHUNK = 1_000_000  # bytes in one answer
TAIL = 4_000  # bytes in which the last rows of a file are looked for
POLL_EVERY_S = 0.2
PATTERN = "requests-*.jsonl"
NAME = re.compile(r"requests-([A-Za-z0-9_][A-Za-z0-9_.-]{0,150})\.jsonl")  # of ``load.record_files``
MOST_FILES = 1_000
MOST_BYTES = 16 * 2**30  # of all files of one run
LONGEST_HEADER = 10_000  # bytes
NOTHING: Mapping[str, int] = {}
_one_at_a_time = threading.Lock()  # two that fetch the same rows would both append them


class _Files(Protocol):
    def records(self) -> Records:
        """:returns: which files there are."""

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """:returns: whole lines of one."""


@dataclass(frozen=True)
class Collected:
    """One source's rows, as they are here.

    :param file: its name; ``sha256`` and ``bytes``: of what is here.
    :param rows: how many requests.
    :param complete: whether nothing is missing; if not, ``why``.
    """

    file: str
    sha256: str
    rows: int
    bytes: int
    complete: bool
    why: str


def marks(generator: LoadGenerator) -> Mapping[str, int]:
    """:returns: how many bytes are in each file now: what was recorded before a drill began does not belong to it.

    :raises CannotSee: when Locust does not answer.
    """
    return generator.records().files


def collect(generator: LoadGenerator, into: Path, skip: Mapping[str, int] = NOTHING) -> None:
    """Fetch what is new of each file, and append it to the one of that name in ``into``; one after the other, whoever
    asks for it: the watch over the load, and a step that ends it.

    :param skip: what :func:`marks` said when the drill began; of what is before it only the header is fetched.
    :raises CannotSee: when Locust does not answer, and its files cannot be read from here.
    :raises DrillError: when what it responds cannot be the rows of this run; nothing of such a file is kept.
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


def _fetch(files: _Files, there: Records, into: Path, skip: Mapping[str, int]) -> None:
    if len(there.files) > MOST_FILES:
        raise _refused(f"it names {len(there.files)} files, more than {MOST_FILES}")
    if strange := [name for name in there.files if not NAME.fullmatch(name)]:
        raise _refused(f"no file of rows is called {strange[0]!r:.200}")
    for name, size in there.files.items():
        _fetch_file(files, name, size, into / name, skip.get(name, 0))


def _fetch_file(files: _Files, name: str, size: int, path: Path, first: int) -> None:
    """:param first: up to which byte it does not belong to this run; only its header is fetched of that."""
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
    """:returns: the first line of a file.

    :raises DrillError: when it is not that of a file of that name, of this run or of a Locust that knows no run.
    """
    header = data.partition(b"\n")[0] + b"\n"
    said: object = None
    with suppress(ValueError):
        said = json.loads(header[:LONGEST_HEADER])
    if not isinstance(said, dict) or said.get("chaosdrill") != "requests":
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
    """Cut off a line that was not written to its end: a process that collected before may have been killed.

    :returns: how many bytes are left.
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

    def records(self) -> Records:
        """:returns: which files there are."""
        return Records(str(self.directory), {name: (self.directory / name).stat().st_size for name in self._names})

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """:returns: lines of one; of a line that was not written to its end, what there is."""
        with open(self.directory / name, "rb") as file:
            file.seek(offset)
            return file.read(most) + file.readline()


def _left_behind(generator: LoadGenerator, into: Path) -> _Directory | None:
    """The files of a Locust that does not answer; None when this process did not tell it where to write them."""
    known, directory = generator.last_records, generator.records_directory
    if known is None or directory is None:
        return None
    named = [name for name in known.files if NAME.fullmatch(name)]
    names = [name for name in named if _is_ours(directory / name, into / name)]
    return _Directory(directory, names) if names else None


def _is_ours(there: Path, here: Path) -> bool:
    """A directory of that name may be here by chance: the header tells."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        if there.is_symlink():
            return False
        if here.is_file() and (known := _header(here)):
            return known == _header(there)
        return bool(json.loads(_header(there))["host"] == socket.gethostname())
    return False


def finish(
    generator: LoadGenerator | None, into: Path, skip: Mapping[str, int] = NOTHING, within_s: float = 5.0
) -> tuple[Collected, ...]:
    """Fetch the rest when a drill ends: what has ended until now. Never raises.

    :param generator: None: there is none any more, and what is here is all there is.
    :param within_s: how long to wait for what a Locust that goes on has not written yet.
    :returns: what is here now of each file.
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
        wanted = {**_now_there(generator), **wanted}  # the clock of a worker that has just come may not be known yet
    trouble = "" if generator is None or generator.last_records is None else generator.last_records.trouble
    return tuple(
        _collected(path, wanted, why or trouble, bool(skip.get(path.name))) for path in sorted(into.glob(PATTERN))
    )


def _now_there(generator: LoadGenerator | None) -> Mapping[str, int]:
    """Now, on the clock of each source that is alive."""
    with suppress(DrillError, OSError):
        readings = generator.clocks() if generator is not None else {}
        return {source: time.time_ns() + one.offset_ns for source, one in readings.items()}
    return {}


def _is_late(path: Path, wanted: Mapping[str, int]) -> bool:
    """Whether something may still come from a source that is alive, or whose clock is not known yet."""
    until_ns, ended = _progress(path)
    return bool(wanted) and not ended and until_ns < wanted.get(_source(path), math.inf)


def _progress(path: Path) -> tuple[int, bool]:
    """:returns: up to when everything is in a file (its source's clock, ns), and whether it has ended in order."""
    until_ns, ended = 0, False
    for line in _tail(path).splitlines():
        if line.startswith((b'["w",', b'["e",')):
            with suppress(ValueError):
                until_ns, ended = json.loads(line)[1], line.startswith(b'["e"')
    return until_ns, ended


def _counted(path: Path) -> int:
    """:returns: how many requests a file that has ended in order counts, those that could not be recorded included."""
    with suppress(ValueError, TypeError, IndexError):
        return int(json.loads(_tail(path).splitlines()[-1])[2])
    return -1


def _source(path: Path) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(_header(path))["source"])
    return ""


def _collected(path: Path, wanted: Mapping[str, int], trouble: str, partial: bool) -> Collected:
    """:param partial: the file began before the drill, so its end counts more requests than are here."""
    digest, rows, size = hashlib.sha256(), 0, 0
    with open(path, "rb") as file:
        for line in file:
            digest.update(line)
            rows += line.startswith(b'["r",')
            size += len(line)
    until_ns, ended = _progress(path)
    wanted_ns = wanted.get(_source(path))
    if ended and not partial and (counted := _counted(path)) != rows:
        why = sentence("it recorded {rows} of the {counted} requests that it made", rows=rows, counted=counted)
        return Collected(path.name, digest.hexdigest(), rows, size, False, why)
    if ended or (wanted_ns is not None and until_ns >= wanted_ns and not trouble):
        return Collected(path.name, digest.hexdigest(), rows, size, True, "")
    until = datetime.fromtimestamp(until_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    missing = sentence("it did not end in order: what it saw after {until} (its clock) is missing", until=until)
    why = together([missing, *([as_it_is(trouble)] if trouble else [])])
    return Collected(path.name, digest.hexdigest(), rows, size, False, why)
