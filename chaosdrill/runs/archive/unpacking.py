"""Unpacking of a run's archive: all of its contents are checked before anything is written."""

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from chaosdrill.errors import BadInput, Problem, prefixed, problem
from chaosdrill.history.run_directory import HISTORY, JOURNAL, SUMMARY
from chaosdrill.history.whole_files import make_private
from chaosdrill.runs.archive.manifest import MANIFEST, README, SIGNATURE, SUMS
from chaosdrill.runs.naming import good_run_name, problem_of_name, safe_name

FILES_AT_MOST = 2_000
BYTES_AT_MOST = 2 * 2**30  # of all files of an archive together, unpacked
DENSEST = 200  # largest compression ratio; of a run it is about 10
SMALL = 2**24  # bytes; up to this unpacked size the ratio does not matter
DIRECTORY_AT_MOST = 2**20  # bytes of the zip's own table of contents
CHUNK = 2**20
BESIDE = (MANIFEST, README, SIGNATURE, SUMS)
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, OSError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, OverflowError, IndexError, KeyError),
)


@dataclass(frozen=True)
class Contents:
    """The contents of an archive: one run, and the files that accompany it.

    :param run: the name of the run's directory.
    :param files: every file in the archive, including those outside the run's directory.
    """

    run: str
    files: tuple[zipfile.ZipInfo, ...]


def contents_of(path: Path) -> Contents:
    """Return the contents of an archive if all of it may be unpacked.

    :raises BadInput: with every reason why it may not.
    """
    if not path.is_file():
        raise BadInput([problem("archive-missing", f"{path}: there is no such file")])
    try:
        if why := _problem_of_table(path):
            raise BadInput([prefixed(str(path), why)])
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if _has_bytes_outside(path, archive):
                text = f"{path} holds bytes before, between or behind its files, which would be imported unseen"
                raise BadInput([problem("archive-bytes-outside", text)])
    except _BROKEN as error:
        text = f"{path} is no archive of `chaosdrill runs export`: {error or type(error).__name__}"
        raise BadInput([problem("archive-unreadable", text)]) from error
    most = min(BYTES_AT_MOST, SMALL + DENSEST * path.stat().st_size)
    if problems := list(dict.fromkeys(_problems(entries, most))):
        raise BadInput([prefixed(str(path), one) for one in problems[:20]])
    files = tuple(entry for entry in entries if not _is_directory(entry))
    run = next(parts[0] for entry in files if len(parts := PurePosixPath(entry.filename).parts) > 1)
    return Contents(run, files)


def _problem_of_table(path: Path) -> Problem | None:
    """Check the size of the table of contents without zipfile: ten million unchecked names would exhaust the memory."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))  # the end record and the longest comment after it
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < 22:
        why = "not a zip file, or its end is missing: `chaosdrill runs export` makes archives that can be imported"
        return problem("archive-unreadable", why)
    entries, size = struct.unpack_from("<HL", tail, place + 10)
    if entries > FILES_AT_MOST or size > DIRECTORY_AT_MOST or tail[place - 20 : place - 16] == b"PK\x06\x07":
        return problem("archive-too-large", f"it has more than {FILES_AT_MOST:,} files: no run has so many")
    return None


def _has_bytes_outside(path: Path, archive: zipfile.ZipFile) -> bool:
    """Return whether the file contains bytes outside the zip: a file can be a zip and something else at the same time.

    :source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.6 and 4.3.7
    """
    at = 0
    with open(path, "rb") as file:
        for entry in sorted(archive.infolist(), key=lambda one: one.header_offset):
            file.seek(at)
            header = file.read(30)
            if entry.header_offset != at or len(header) < 30 or not header.startswith(b"PK\x03\x04"):
                return True
            at += 30 + sum(struct.unpack_from("<HH", header, 26)) + entry.compress_size
            if entry.flag_bits & 0x08:  # sizes after the data: 12 bytes, with or without a signature
                file.seek(at)
                at += 16 if file.read(4) == b"PK\x07\x08" else 12
        file.seek(at)
        rest = file.read(DIRECTORY_AT_MOST + 66_000)
    end = rest.rfind(b"PK\x05\x06")
    size, begins, comment = struct.unpack_from("<LLH", rest, end + 12)
    return at + len(rest) != path.stat().st_size or begins != at or size != end or len(rest) != end + 22 or comment > 0


def _problems(entries: Sequence[zipfile.ZipInfo], most: int) -> Iterator[Problem]:
    for entry in entries:
        if found := _problem(entry):
            yield problem(found.code, f"{safe_name(entry.filename)} {found}")
    yield from _problems_of_names([entry.filename for entry in entries if not _is_directory(entry)])
    if len(entries) > FILES_AT_MOST:
        why = f"it has {len(entries):,} files, more than {FILES_AT_MOST:,}: no run has so many"
        yield problem("archive-too-large", why)
    if (size := sum(entry.file_size for entry in entries)) > most:
        why = f"unpacked it would have {size:,} bytes, more than {most:,}: no run has so many"
        yield problem("archive-too-large", why)


def _is_directory(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/")  # zipfile's is_dir fails on an empty name


def _problem(entry: zipfile.ZipInfo) -> Problem | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > _is_directory(entry):
        return problem("archive-file-special", "is a link or a device: an archive of a run has files only")
    if entry.filename != entry.orig_filename or "\\" in entry.filename:
        return problem("archive-name-unsafe", "has a name that is written in two ways")
    if entry.flag_bits & 0x1:
        return problem("archive-unreadable", "is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        why = "is compressed in a way that `chaosdrill runs export` does not use"
        return problem("archive-unreadable", why)
    if why := problem_of_name(entry.filename.removesuffix("/")):
        return problem("archive-name-unsafe", f"is refused: {why}")
    return None


def _problems_of_names(names: Sequence[str]) -> Iterator[Problem]:
    """Check the names: one directory named like a run, and no file twice, even if upper and lower case are the same."""
    runs = {name.partition("/")[0] for name in names if "/" in name}
    if len(runs) != 1 or not all(map(good_run_name, runs)):
        why = "it does not hold one run: `chaosdrill runs export` makes archives that can be imported"
        yield problem("archive-not-of-run", why)
    for name in names:
        if "/" not in name and name not in BESIDE:
            yield problem("archive-not-of-run", f"{safe_name(name)} is no part of a run")
    if not {f"{run}/{name}" for run in runs for name in (HISTORY, SUMMARY, JOURNAL)} & set(names):
        why = f"it holds no run: there is neither {HISTORY} nor {SUMMARY} nor {JOURNAL} in it"
        yield problem("archive-not-of-run", why)
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            yield problem("archive-name-repeated", f"{safe_name(name)} is in it twice")
        seen[folded] = name
    for folded, name in seen.items():
        above = PurePosixPath(folded).parents
        if any(str(one) in seen for one in above):
            yield problem("archive-name-repeated", f"{safe_name(name)} is in a directory that is a file")


def unpack(path: Path, contents: Contents, into: Path) -> None:
    """Unpack an archive.

    :param contents: what :func:`contents_of` found in it.
    :param into: an empty directory.
    :raises BadInput: when it is damaged; the caller removes what was unpacked.
    """
    left = BYTES_AT_MOST
    with zipfile.ZipFile(path) as archive:
        for entry in contents.files:
            target = into / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                left -= _unpack_one(archive, entry, target, left)
            except _BROKEN as error:
                why = f"{path}: {safe_name(entry.filename)} cannot be unpacked: {str(error) or type(error).__name__}"
                raise BadInput([problem("archive-unreadable", why)]) from error
    make_private(into)


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    size = 0
    with archive.open(entry) as source, open(target, "xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > min(most, entry.file_size):
                raise ValueError(f"it has more bytes than the {entry.file_size:,} that it announces")
            file.write(chunk)
    if size != entry.file_size:
        raise ValueError(f"it has {size:,} bytes, not the {entry.file_size:,} that it announces")
    return size
