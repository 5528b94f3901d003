"""The files of a run and their hashes in its history: a file that differs was altered, lost or added."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.history.run_directory import EVIDENCE, EXPERIMENT, HISTORY, REPORT, TOPOLOGY
from chaosdrill.history.whole_files import PART
from chaosdrill.runs.naming import DEEPEST, problem_of_name
from chaosdrill.runs.records.tables import RECORDS, sha256_of
from chaosdrill.runs.tags import TAGS

# the history has its own seals, tags are not part of the run, and the report is made from the rest
NEVER_TOLD = frozenset({HISTORY, TAGS, REPORT})
QUARANTINED = ".quarantined.txt"  # added to the name of an imported page: every program shows it as text

Event = Mapping[str, Any]


@dataclass(frozen=True)
class RecordedFile:
    """The history's record of a file.

    :param sha256: None: the file could not be collected, and ``why``.
    :param must: whether the file must exist: raw records that were stored as Parquet need not.
    :param original: the sha256 is that of the user's own file; secrets may have been removed from the copy in the run.
    """

    sha256: str | None
    why: str = ""
    must: bool = True
    original: bool = False


@dataclass(frozen=True)
class RunFiles:
    """The contents of a run directory.

    :param plain: its regular files, by their path in the run, with ``/``.
    :param odd: entries that are not regular files, are unreadable, or have a name that no archive should hold, each
        with the reason.
    """

    plain: Mapping[str, Path]
    odd: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of all of them."""
        return (*self.plain, *self.odd)


def run_files(directory: Path) -> RunFiles:
    """Return everything in a run directory, sorted by path; links are not followed."""
    plain: dict[str, Path] = {}
    odd: dict[str, str] = {}
    for name, path in sorted(_walked(directory, "")):
        if why := _odd(name, path):
            odd[name] = why
        else:
            plain[name] = path
    return RunFiles(plain, odd)


def as_recorded(found: RunFiles) -> RunFiles:
    """Return files under the names that the drill gave them: the import of an archive renames pages in quarantine.

    :returns: the same files, with ``NAME.quarantined.txt`` as ``NAME`` unless a file of that name exists, too.
    """
    there = set(found.names)
    named = {name: name.removesuffix(QUARANTINED) for name in found.plain}
    return RunFiles({new if new not in there else name: found.plain[name] for name, new in named.items()}, found.odd)


def _walked(directory: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    try:
        found = list(os.scandir(directory))
    except OSError:
        yield prefix.rstrip("/"), directory
        return
    for one in found:
        if one.is_dir(follow_symlinks=False) and prefix.count("/") <= DEEPEST:  # deeper ones are no part of a run
            yield from _walked(Path(one.path), f"{prefix}{one.name}/")
        else:
            yield f"{prefix}{one.name}", Path(one.path)


def _odd(name: str, path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "is a link" if stat.S_ISLNK(mode) else "is no plain file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    return problem_of_name(name)


def recorded_files(events: Sequence[Event], there: Iterable[str] = ()) -> dict[str, RecordedFile]:
    """Return the history's record of each file, by its path in the run.

    :param there: the existing files: the history has the experiment's hash, but not the ending of its file.
    """
    told = _originals(events, there)
    for event in events:
        match event.get("event"):
            case "records-collected" | "records-stored":
                told[f"{RECORDS}/{_name(event)}"] = _of(event)
            case "evidence-collected":
                told[f"{EVIDENCE}/{_name(event)}"] = _of(event)
            case "load-seen" if event.get("sha256"):
                told["timeline.jsonl"] = _of(event)
            case "drill-closed" if isinstance(event.get("files"), Mapping):
                told |= {str(name): RecordedFile(str(sha256)) for name, sha256 in event["files"].items()}
    if any(name.startswith(f"{EXPERIMENT}.") for name in told):
        told.pop(EXPERIMENT, None)
    for name in _inside(events) & told.keys():
        told[name] = RecordedFile(told[name].sha256, told[name].why, must=False)
    return told


def _originals(events: Sequence[Event], there: Iterable[str]) -> dict[str, RecordedFile]:
    found: dict[str, RecordedFile] = {}
    for event in events:
        if event.get("event") == "drill-opened" and event.get("experiment_sha256"):
            named = [name for name in there if "/" not in name and name.startswith(f"{EXPERIMENT}.")]
            told = RecordedFile(str(event["experiment_sha256"]), original=True)
            found |= dict.fromkeys(named or [EXPERIMENT], told)
        if event.get("event") == "target-opened" and event.get("topology_sha256"):
            found[TOPOLOGY] = RecordedFile(str(event["topology_sha256"]), original=True)
    return found


def _inside(events: Sequence[Event]) -> set[str]:
    """Return the raw records that were stored as Parquet."""
    stored = [event.get("of") for event in events if event.get("event") == "records-stored"]
    return {f"{RECORDS}/{name}" for of in stored if isinstance(of, Mapping) for name in of}


def _name(event: Event) -> str:
    return Path(str(event.get("file"))).name  # never outside the run


def _of(event: Event) -> RecordedFile:
    sha256 = event.get("sha256")
    return RecordedFile(str(sha256) if sha256 is not None else None, str(event.get("why") or ""))


def untold_files(directory: Path, events: Sequence[Event]) -> dict[str, str]:
    """Return the sha256 of each file of a run that its history has not recorded yet, for its last event."""
    told = {name for name, one in recorded_files(events).items() if not one.original}
    files = run_files(directory).plain
    wanted = [name for name in files if name not in told | NEVER_TOLD and not name.endswith(PART)]
    return {name: sha256_of(files[name]) for name in wanted}


def sha256_of_text(text: str) -> str:
    """Return the sha256 of a text as it is written to a file."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
