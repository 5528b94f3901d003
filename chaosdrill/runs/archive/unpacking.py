"""What is in an archive of a run, and its unpacking: all of it is looked at before anything is written."""

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from chaosdrill.errors import BadInput
from chaosdrill.history.run_directory import HISTORY, JOURNAL, SUMMARY
from chaosdrill.runs.archive.manifest import MANIFEST, README, SUMS
from chaosdrill.runs.naming import good_run_name, problem_of_name, shown

FILES_AT_MOST = 2_000
BYTES_AT_MOST = 2 * 2**30  # of all files of an archive together, unpacked
DENSEST = 200  # times that an archive may become larger; of a run it is some 10
SMALL = 2**24  # bytes that an archive may have unpacked, however small it is
DIRECTORY_AT_MOST = 2**20  # bytes of the zip's own table of contents
CHUNK = 2**20
BESIDE = (MANIFEST, README, SUMS)
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, OSError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, OverflowError, IndexError, KeyError),
)


@dataclass(frozen=True)
class Contents:
    """What is in an archive: one run, and what was written beside it.

    :param run: the name of the run's directory.
    :param files: every file in it, those beside the run, too.
    """

    run: str
    files: tuple[zipfile.ZipInfo, ...]


def contents_of(path: Path) -> Contents:
    """:returns: what is in an archive, when all of it may be unpacked.

    :raises BadInput: with everything that speaks against it.
    """
    if not path.is_file():
        raise BadInput([f"{path}: there is no such file"])
    try:
        if why := _table_too_large(path):
            raise BadInput([f"{path}: {why}"])
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _BROKEN as error:
        raise BadInput(
            [f"{path} is no archive of `chaosdrill runs export`: {error or type(error).__name__}"]
        ) from error
    most = min(BYTES_AT_MOST, SMALL + DENSEST * path.stat().st_size)
    if problems := list(dict.fromkeys(_problems(entries, most))):
        raise BadInput([f"{path}: {problem}" for problem in problems[:20]])
    files = tuple(entry for entry in entries if not _is_directory(entry))
    run = next(parts[0] for entry in files if len(parts := PurePosixPath(entry.filename).parts) > 1)
    return Contents(run, files)


def _table_too_large(path: Path) -> str:
    """Looked at by hand: to list ten million names takes more memory than there is, and nobody has checked them yet."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))  # the record of the end and the longest comment behind it
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < 22:
        return "it is no zip, or its end is missing: `chaosdrill runs export` makes archives that can be imported"
    entries, size = struct.unpack_from("<HL", tail, place + 10)
    if entries > FILES_AT_MOST or size > DIRECTORY_AT_MOST or tail[place - 20 : place - 16] == b"PK\x06\x07":
        return f"it has more than {FILES_AT_MOST:,} files: no run has so many"
    return ""


def _problems(entries: Sequence[zipfile.ZipInfo], most: int) -> Iterator[str]:
    for entry in entries:
        if why := _problem(entry):
            yield f"{shown(entry.filename)} {why}"
    yield from _problems_of_names([entry.filename for entry in entries if not _is_directory(entry)])
    if len(entries) > FILES_AT_MOST:
        yield f"it has {len(entries):,} files, more than {FILES_AT_MOST:,}: no run has so many"
    if (size := sum(entry.file_size for entry in entries)) > most:
        yield f"unpacked it would have {size:,} bytes, more than {most:,}: no run has so many"


def _is_directory(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/")  # zipfile's own way breaks on a name that is empty


def _problem(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > _is_directory(entry):
        return "is a link or a device: an archive of a run has files only"
    if entry.filename != entry.orig_filename or "\\" in entry.filename:
        return "has a name that is written in two ways"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that `chaosdrill runs export` does not use"
    if why := problem_of_name(entry.filename.removesuffix("/")):
        return f"is refused: {why}"
    return ""


def _problems_of_names(names: Sequence[str]) -> Iterator[str]:
    """Of the files: in one directory that is called like a run, none twice, also where upper and lower case are one."""
    runs = {name.partition("/")[0] for name in names if "/" in name}
    if len(runs) != 1 or not all(map(good_run_name, runs)):
        yield "it does not hold one run: `chaosdrill runs export` makes archives that can be imported"
    for name in names:
        if "/" not in name and name not in BESIDE:
            yield f"{shown(name)} is no part of a run"
    run = next(iter(runs), "")
    if not {f"{run}/{name}" for name in (HISTORY, SUMMARY, JOURNAL)} & set(names):
        yield f"it holds no run: there is neither {HISTORY} nor {SUMMARY} nor {JOURNAL} in it"
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            yield f"{shown(name)} is in it twice"
        seen[folded] = name
    for folded, name in seen.items():
        above = PurePosixPath(folded).parents
        if any(str(one) in seen for one in above):
            yield f"{shown(name)} is in a directory that is a file"


def unpack(path: Path, contents: Contents, into: Path) -> None:
    """Unpack an archive.

    :param contents: what :func:`contents_of` found in it.
    :param into: an empty directory.
    :raises BadInput: when it is not as it was written; what is there of it is the caller's to remove.
    """
    left = BYTES_AT_MOST
    with zipfile.ZipFile(path) as archive:
        for entry in contents.files:
            target = into / entry.filename
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                left -= _unpack_one(archive, entry, target, left)
            except _BROKEN as error:
                why = str(error) or type(error).__name__
                raise BadInput([f"{path}: {shown(entry.filename)} cannot be unpacked: {why}"]) from error


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    size = 0
    with archive.open(entry) as source, open(target, "xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > min(most, entry.file_size):
                raise ValueError(f"it has more bytes than the {entry.file_size:,} that it tells of")
            file.write(chunk)
    if size != entry.file_size:
        raise ValueError(f"it has {size:,} bytes, not the {entry.file_size:,} that it tells of")
    return size
