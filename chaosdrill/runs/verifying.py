"""Verification of a run: every event, and every file that the history records, as the drill left them.

This finds accidental damage and careless edits. A forger can seal a whole history anew; only the comparison of the
manifest's digest with a copy that was stored elsewhere at the export finds that.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.analysis.untrusted_json import text
from chaosdrill.history.run_directory import EVIDENCE, HISTORY, JOURNAL, REPORT, SUMMARY, TIMELINE
from chaosdrill.history.seal import SEAL, broken_seals
from chaosdrill.history.whole_files import PART
from chaosdrill.runs.documents import read_json
from chaosdrill.runs.jsonl import values
from chaosdrill.runs.recorded_hashes import NEVER_TOLD, RecordedFile, RunFiles, as_recorded, recorded_files, run_files
from chaosdrill.runs.records.tables import RECORDS, sha256_of
from chaosdrill.runs.summaries import read_summary

ALTERED, MISSING, ADDED, UNFINISHED, DIFFERS = "altered", "missing", "added", "unfinished", "differs"
LOGS = frozenset({"heartbeat.log", "locust.log"})  # may be written after the end if the drill was cut short
DOCUMENTS = frozenset({JOURNAL, SUMMARY, "locust-report.html", "locust-statistics.json"})
RAW = (f"{RECORDS}/", f"{EVIDENCE}/", TIMELINE)  # recorded at the end, which a drill that died did not reach

LARGEST_HISTORY = 2**29  # bytes; a history of an hour has about 2 MB


@dataclass(frozen=True)
class Deviation:
    """One deviation from what the drill left.

    :param where: the file by its path in the run, with ``line N`` in the history.
    :param what: altered, missing, added, unfinished, or differs.
    """

    where: str
    what: str
    text: str

    def in_words(self) -> str:
        """Return the problem in one line."""
        return f"{self.what}: {self.where}: {self.text}"


@dataclass(frozen=True)
class Verified:
    """The result of a verification.

    :param run: the id of the run.
    :param events: how many events the history has.
    :param last_seal: the seal of its last line, which covers all lines.
    :param files: how many files match the history.
    :param notes: what is not covered, and why.
    :param stored: the stored verdict.
    :param judged: the verdict of judging the run again.
    """

    run: str
    events: int
    last_seal: str
    files: int
    problems: tuple[Deviation, ...]
    notes: tuple[str, ...]
    stored: str
    judged: str

    @property
    def intact(self) -> bool:
        """Whether nothing was altered, is missing, or was added."""
        return not self.problems


def verify_run(directory: Path, judging: bool = True) -> Verified:
    """Verify everything in a run directory; nothing is changed, and no content makes this raise.

    :param judging: judge the drill again, too, which reads all of its records.
    :returns: the problems, and what matches.
    """
    lines, torn, why = _lines(directory / HISTORY)
    events = [event for event in values(lines) if isinstance(event, dict)]
    found = as_recorded(run_files(directory))
    told = recorded_files(events, found.plain)
    excused = _excused(events, found.plain.keys() - told.keys())
    problems = [*_of_history(lines, torn, why), *_of_files(found, told, excused)]
    stored, judged = _stored(directory, events), _judged(directory) if judging and not why else ""
    notes = list(_not_covered(found, told, excused))
    if stored and judged and stored != judged:
        differs = f"the stored verdict is {stored}; judged again now it is {judged}"
        if problems:  # the run that was judged again is not as the drill left it
            notes.append(differs)
        else:
            problems.append(Deviation(SUMMARY, DIFFERS, differs))
    whole = [name for name in told if name in found.plain and not any(name == one.where for one in problems)]
    seal = str(events[-1].get(SEAL) or "") if events else ""
    run = next((str(event.get("run_id")) for event in events if event.get("run_id")), directory.name)
    return Verified(run, len(lines), seal, len(whole), tuple(problems), tuple(notes), stored, judged)


def _lines(path: Path) -> tuple[list[bytes], bool, str]:
    """Return the lines of a history, whether its last line is incomplete, and why there is no history."""
    try:
        lines = read_json(path, LARGEST_HISTORY).split(b"\n")
    except FileNotFoundError:
        return [], False, "there is none (a run of chaosdrill has one): nothing vouches for anything here"
    except OSError as error:
        return [], False, f"it cannot be read: {error.strerror or error}"
    torn = bool(lines.pop())
    return lines, torn, ""


def _of_history(lines: Sequence[bytes], torn: bool, why: str) -> Iterator[Deviation]:
    if why:
        yield Deviation(HISTORY, MISSING, why)
        return
    for number, why in broken_seals(lines):
        yield Deviation(f"{HISTORY} line {number}", ALTERED, why)
    if torn:
        yield Deviation(f"{HISTORY} line {len(lines) + 1}", ALTERED, "was cut off")
    yield from _of_end(lines)


def _of_end(lines: Sequence[bytes]) -> Iterator[Deviation]:
    names = [event.get("event") if isinstance(event, dict) else None for event in values(lines)]
    closed = [number for number, name in enumerate(names, 1) if name == "drill-closed"]
    if not closed:
        why = "it has no end (drill-closed): the drill died, or its last lines are missing"
        yield Deviation(HISTORY, UNFINISHED, why)
    for number in range(closed[0] + 1 if closed else len(names) + 1, len(names) + 1):
        yield Deviation(f"{HISTORY} line {number}", ADDED, "it follows the end of the drill")


def _excused(events: Sequence[Mapping[str, Any]], untold: AbstractSet[str]) -> AbstractSet[str]:
    """Return the files that the history does not record and need not.

    Drills of older versions did not record the documents, and a drill that died recorded nothing at its end.
    """
    closed = [event for event in events if event.get("event") == "drill-closed"]
    if not closed:
        return {name for name in untold if name in DOCUMENTS | LOGS or name.startswith(RAW)}
    return untold & (LOGS if "files" in closed[-1] else DOCUMENTS | LOGS)


def _of_files(found: RunFiles, told: Mapping[str, RecordedFile], excused: AbstractSet[str]) -> Iterator[Deviation]:
    for name, why in found.odd.items():
        yield Deviation(name, ADDED if name not in told else ALTERED, why)
    for name, path in found.plain.items():
        if name in told:
            yield from _differs(name, path, told[name])
        elif name not in NEVER_TOLD | excused and not name.endswith(PART):
            yield Deviation(name, ADDED, "not recorded in the history")
    for name, one in told.items():
        if one.must and one.sha256 is not None and name not in found.plain and name not in found.odd:
            yield Deviation(name, MISSING, "recorded in the history, but missing")


def _differs(name: str, path: Path, told: RecordedFile) -> Iterator[Deviation]:
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        yield Deviation(name, ALTERED, f"cannot be read: {error.strerror}")
        return
    if told.sha256 is None:
        yield Deviation(name, ADDED, f"the history says that it could not be had ({told.why})")
    elif sha256 != told.sha256:
        also = "; or it was copied without a secret that stood in it" if told.original else ""
        yield Deviation(name, ALTERED, f"its sha256 is {sha256}, the history says {told.sha256}{also}")


def _not_covered(found: RunFiles, told: Mapping[str, RecordedFile], excused: AbstractSet[str]) -> Iterator[str]:
    if excused:
        names = ", ".join(sorted(excused))
        yield f"the history has no record of {names}: it is unknown whether they were altered"
    for name in found.plain:
        if name.endswith(PART) and name not in told:
            yield f"{name}: a write of it did not end (a full disk, or a kill): remove it"
    if REPORT in found.plain:
        yield f"{REPORT}: made from the run, and not covered: `chaosdrill report` makes it again"
    for name, one in told.items():
        if one.sha256 is None:
            yield f"{name}: it could not be had when the drill closed: {one.why}"


def _stored(directory: Path, events: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdict of the summary, otherwise of the history's end."""
    closed = [text(event.get("verdict")) for event in events if event.get("event") == "drill-closed"]
    return read_summary(directory).verdict or (closed[-1] if closed else "")


def _judged(directory: Path) -> str:
    from chaosdrill.analysis.judgement import judge  # they need numpy
    from chaosdrill.runs.reading import read_run

    return judge(read_run(directory)).verdict
