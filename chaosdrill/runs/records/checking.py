"""Verification of records: unchanged since they were collected, of this run, complete."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.findings import TOLD, Finding, finding
from chaosdrill.history.run_directory import EVIDENCE, TIMELINE
from chaosdrill.messages import as_it_is, sentence, sentence_at
from chaosdrill.records import ledger
from chaosdrill.records.rows import BEATS, VERSION, RecordSchema
from chaosdrill.runs.recorded_hashes import run_files
from chaosdrill.runs.records.parsing import EMPTY
from chaosdrill.runs.records.tables import LEDGER, RECORDS, RawFileInfo, Records

Event = Mapping[str, Any]
TOLD_BY, FOLDER = sentence("history"), as_it_is(RECORDS)


def problems_of_files(directory: Path, events: Sequence[Event]) -> list[Finding]:
    """Return findings on files that are missing, were not collected, or differ from what was collected."""
    records = directory / RECORDS
    there = {path.name: path for path in records.iterdir() if path.is_file()} if records.is_dir() else {}
    raw = {str(event.get("file")): event for event in events if event.get("event") == "records-collected"}
    stored = {str(event.get("file")): event for event in events if event.get("event") == "records-stored"}
    problems = [*_not_collected(events, raw), *_of_timeline(directory, events), *_of_evidence(directory, events)]
    inside = {name for event in stored.values() for name in _of(event)}
    for name, event in {**raw, **stored}.items():
        if event.get("sha256") is None:
            text = sentence("{file} could not be collected: {why}", file=name, why=sentence_at(event, "why"))
            problems.append(finding("records-missing", text, TOLD_BY))
        elif name in there:
            problems += _differs(there[name], event)
        elif name not in inside:
            text = sentence("{file} was collected, and is not there", file=name)
            problems.append(finding("records-missing", text, FOLDER))
        if name in raw and event.get("complete") is not True and event.get("sha256") is not None:
            problems.append(_incomplete(name, event))
    for name in inside & set(raw):
        if _of(next(event for event in stored.values() if name in _of(event)))[name] != raw[name].get("sha256"):
            text = sentence("{file} was stored otherwise than it was collected", file=name)
            problems.append(finding("records-edited", text, TOLD_BY))
    for name in set(there) - set(raw) - set(stored):
        if name.endswith((".jsonl", ".parquet")):
            text = sentence("{file} is there, and the history tells of none", file=name)
            problems.append(finding("records-foreign", text, FOLDER))
    return problems


def _of_timeline(directory: Path, events: Sequence[Event]) -> Iterator[Finding]:
    """Compare the buckets of the load generator's users with the hash of their last reading."""
    for event in events:
        if event.get("event") == "load-seen" and event.get("sha256"):
            yield from _differs(directory / TIMELINE, event)


def _of_evidence(directory: Path, events: Sequence[Event]) -> Iterator[Finding]:
    """Check evidence recorded by others; its absence does not affect what this drill recorded itself."""
    told = {Path(str(event.get("file"))).name: event for event in events if event.get("event") == "evidence-collected"}
    for name, event in told.items():
        if event.get("sha256") is None:
            text = sentence(
                "{file} ({kind} {of}) could not be collected: {why}",
                file=name,
                kind=str(event.get("kind")),
                of=str(event.get("of")),
                why=sentence_at(event, "why"),
            )
            yield finding("records-missing", text, TOLD_BY, verdict=TOLD)
        else:
            yield from _differs(directory / EVIDENCE / name, event)
    for name in run_files(directory / EVIDENCE).names if (directory / EVIDENCE).exists() else ():
        if name not in told:
            text = sentence("{file} is there, and the history tells of none", file=name)
            yield finding("records-foreign", text, as_it_is(EVIDENCE))


def _not_collected(events: Sequence[Event], raw: Mapping[str, Event]) -> Iterator[Finding]:
    """Find a heartbeat that was started without records being collected."""
    for event in events:
        if event.get("event") != "heartbeat-started":
            continue
        for name in ("beats.jsonl", *([LEDGER] if event.get("writes") else [])):
            if name not in raw:
                text = sentence("the heartbeat was started, and {file} was not collected", file=name)
                yield finding("records-missing", text, TOLD_BY)


def _incomplete(name: str, event: Event) -> Finding:
    """Report an incomplete file.

    The finding is informational for a load generator, whose watermarks show how far it got; a heartbeat must be
    complete.
    """
    word = "told" if name.startswith("requests-") else "invalid"
    text = sentence("{file} is not complete: {why}", file=name, why=sentence_at(event, "why"))
    return finding("records-truncated", text, TOLD_BY, verdict=word)


def _differs(path: Path, event: Event) -> Iterator[Finding]:
    try:
        with open(path, "rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        yield finding(
            "records-missing", sentence("{file} cannot be read: {why}", file=path.name, why=as_it_is(error)), FOLDER
        )
        return
    if sha256 != event.get("sha256"):
        was = str(event.get("sha256"))
        text = sentence(
            "{file} is not as it was collected (sha256 {now}…, it was {was}…)",
            file=path.name,
            now=sha256[:12],
            was=was[:12],
        )
        yield finding("records-edited", text, FOLDER)


def _of(event: Event) -> Mapping[str, Any]:
    of = event.get("of")
    return of if isinstance(of, Mapping) else {}


def problems_of_records(records: Records, schema: RecordSchema, run_id: str) -> tuple[list[Finding], bool]:
    """Return findings on beats or requests, and whether they may be used."""
    problems: list[Finding] = []
    usable = True
    for file in records.files:
        if foreign := _foreign(file, schema, run_id):
            problems.append(foreign)
            usable = False
            continue
        problems += _of_file(file)
    if usable and schema is BEATS:
        problems += _of_beats(records)
    return problems, usable and bool(records.files)


def _foreign(file: RawFileInfo, schema: RecordSchema, run_id: str) -> Finding | None:
    if file.why_not:
        name = "records-truncated" if file.why_not == EMPTY else "records-foreign"
        return finding(name, sentence("{file}: {why}", file=file.name, why=file.why_not), FOLDER)
    run = str(file.header.get("run") or "")  # empty: of a Locust that was started before the drill
    if run_id and run != run_id and (run or schema is BEATS):
        text = sentence("{file} is of a run without a name, not of this", file=file.name)
        if run:
            text = sentence("{file} is of the run {run}, not of this", file=file.name, run=run)
        return finding("records-foreign", text, FOLDER)
    return None


def _of_file(file: RawFileInfo) -> Iterator[Finding]:
    if file.torn:
        yield finding("records-truncated", sentence("{file}: its last line was cut off", file=file.name), FOLDER)
    if file.bad:
        yield finding(
            "records-foreign", sentence("{file}: {n} lines are no records", file=file.name, n=file.bad), FOLDER
        )
    told = sum(file.told) if isinstance(file.told, list) and all(type(one) is int for one in file.told) else file.told
    if file.ended_ns is not None and told != file.rows:
        values = {"file": file.name, "told": str(told), "there": file.rows}
        text = sentence("{file}: its end tells of {told} rows, there are {there}", **values)
        yield finding("records-truncated", text, FOLDER)


def _of_beats(records: Records) -> Iterator[Finding]:
    import numpy

    if any(file.ended_ns is None for file in records.files):
        yield finding("records-truncated", sentence("beats: their end was not written"), FOLDER)
    codes, names = records.texts("operation")
    numbers = records.integers("seq")
    for code, name in enumerate(names):
        mine = numbers[codes == code]
        if not len(mine) or (mine[0] == 0 and (numpy.diff(mine) == 1).all()):
            continue  # the usual case, checked quickly
        missing = int(mine.max()) + 1 - len(numpy.unique(mine))
        if missing:
            text = sentence("beats: {n} beats of {operation} are missing", n=missing, operation=name)
            yield finding("records-truncated", text, FOLDER)
    if len(records.files) > 1:
        yield finding("records-foreign", sentence("beats: there are {n} heartbeats", n=len(records.files)), FOLDER)


def problems_of_ledger(rows: Sequence[Event], bad: int, torn: bool, run_id: str) -> tuple[list[Finding], bool]:
    """Return findings on the ledger as a file, and whether it may be used."""
    problems = []
    if torn:
        problems.append(
            finding("records-truncated", sentence("{file}: its last line was cut off", file=LEDGER), FOLDER)
        )
    if bad:
        problems.append(
            finding("records-foreign", sentence("{file}: {n} lines are no rows", file=LEDGER, n=bad), FOLDER)
        )
    header = rows[0] if rows else {}
    if header.get("chaosdrill") != ledger.KIND or header.get("version") != VERSION:
        why = sentence("it has no header of a ledger of version {version}", version=VERSION) if rows else EMPTY
        name = "records-foreign" if rows else "records-truncated"
        return [*problems, finding(name, sentence("{file}: {why}", file=LEDGER, why=why), FOLDER)], False
    if run_id and header.get("run") != run_id:
        text = sentence("{file} is of the run {run}, not of this", file=LEDGER, run=repr(header.get("run")))
        return [*problems, finding("records-foreign", text, FOLDER)], False
    return problems, True
