"""Whether records are what they were: as they were collected, of this run, whole."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.findings import TOLD, Finding, finding
from chaosdrill.history.run_directory import EVIDENCE, TIMELINE
from chaosdrill.runs.shapes import BEATS, VERSION, Shape
from chaosdrill.runs.tables import LEDGER, RECORDS, File, Records
from chaosdrill.runs.told import run_files

Event = Mapping[str, Any]


def problems_of_files(directory: Path, events: Sequence[Event]) -> list[Finding]:
    """:returns: files that are missing, that nobody collected, or that are not as they were collected."""
    records = directory / RECORDS
    there = {path.name: path for path in records.iterdir() if path.is_file()} if records.is_dir() else {}
    raw = {str(event.get("file")): event for event in events if event.get("event") == "records-collected"}
    stored = {str(event.get("file")): event for event in events if event.get("event") == "records-stored"}
    problems = [*_not_collected(events, raw), *_of_timeline(directory, events), *_of_evidence(directory, events)]
    inside = {name for event in stored.values() for name in _of(event)}
    for name, event in {**raw, **stored}.items():
        if event.get("sha256") is None:
            problems.append(finding("records-missing", f"{name} could not be collected: {event.get('why')}", "history"))
        elif name in there:
            problems += _differs(there[name], event)
        elif name not in inside:
            problems.append(finding("records-missing", f"{name} was collected, and is not there", RECORDS))
        if name in raw and event.get("complete") is not True and event.get("sha256") is not None:
            problems.append(_incomplete(name, event))
    for name in inside & set(raw):
        if _of(next(event for event in stored.values() if name in _of(event)))[name] != raw[name].get("sha256"):
            problems.append(finding("records-edited", f"{name} was stored otherwise than it was collected", "history"))
    for name in set(there) - set(raw) - set(stored):
        if name.endswith((".jsonl", ".parquet")):
            problems.append(finding("records-foreign", f"{name} is there, and the history tells of none", RECORDS))
    return problems


def _of_timeline(directory: Path, events: Sequence[Event]) -> Iterator[Finding]:
    """What the load generator's users saw in buckets: as it was when it was seen last."""
    for event in events:
        if event.get("event") == "load-seen" and event.get("sha256"):
            yield from _differs(directory / TIMELINE, event)


def _of_evidence(directory: Path, events: Sequence[Event]) -> Iterator[Finding]:
    """What others recorded; that it could not be had changes nothing of what this drill has recorded itself."""
    told = {Path(str(event.get("file"))).name: event for event in events if event.get("event") == "evidence-collected"}
    for name, event in told.items():
        if event.get("sha256") is None:
            text = f"{name} ({event.get('kind')} {event.get('of')}) could not be collected: {event.get('why')}"
            yield finding("records-missing", text, "history", verdict=TOLD)
        else:
            yield from _differs(directory / EVIDENCE / name, event)
    for name in run_files(directory / EVIDENCE).names if (directory / EVIDENCE).exists() else ():
        if name not in told:
            yield finding("records-foreign", f"{name} is there, and the history tells of none", EVIDENCE)


def _not_collected(events: Sequence[Event], raw: Mapping[str, Event]) -> Iterator[Finding]:
    """A heartbeat that was started must have left something."""
    for event in events:
        if event.get("event") != "heartbeat-started":
            continue
        for name in ("beats.jsonl", *([LEDGER] if event.get("writes") else [])):
            if name not in raw:
                yield finding("records-missing", f"the heartbeat was started, and {name} was not collected", "history")


def _incomplete(name: str, event: Event) -> Finding:
    """Of a load generator that died the watermarks tell how far it was heard; a heartbeat must come to its end."""
    word = "told" if name.startswith("requests-") else "invalid"
    return finding("records-truncated", f"{name} is not complete: {event.get('why')}", "history", verdict=word)


def _differs(path: Path, event: Event) -> Iterator[Finding]:
    try:
        with open(path, "rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        yield finding("records-missing", f"{path.name} cannot be read: {error}", RECORDS)
        return
    if sha256 != event.get("sha256"):
        was = str(event.get("sha256"))
        text = f"{path.name} is not as it was collected (sha256 {sha256[:12]}…, it was {was[:12]}…)"
        yield finding("records-edited", text, RECORDS)


def _of(event: Event) -> Mapping[str, Any]:
    of = event.get("of")
    return of if isinstance(of, Mapping) else {}


def problems_of_records(records: Records, shape: Shape, run_id: str) -> tuple[list[Finding], bool]:
    """:returns: what is wrong with beats or requests, and whether they may be used at all."""
    problems: list[Finding] = []
    usable = True
    for file in records.files:
        if foreign := _foreign(file, shape, run_id):
            problems.append(foreign)
            usable = False
            continue
        problems += _of_file(file)
    if usable and shape is BEATS:
        problems += _of_beats(records)
    return problems, usable and bool(records.files)


def _foreign(file: File, shape: Shape, run_id: str) -> Finding | None:
    if file.why_not:
        name = "records-truncated" if file.why_not == "it is empty" else "records-foreign"
        return finding(name, f"{file.name}: {file.why_not}", RECORDS)
    run = str(file.header.get("run") or "")
    if run_id and run != run_id and (run or shape is BEATS):  # a Locust that ran before the drill knows no run
        return finding("records-foreign", f"{file.name} is of the run {run or 'without a name'}, not of this", RECORDS)
    return None


def _of_file(file: File) -> Iterator[Finding]:
    if file.torn:
        yield finding("records-truncated", f"{file.name}: its last line was cut off", RECORDS)
    if file.bad:
        yield finding("records-foreign", f"{file.name}: {file.bad} lines are no records", RECORDS)
    told = sum(file.told) if isinstance(file.told, list) and all(type(one) is int for one in file.told) else file.told
    if file.ended_ns is not None and told != file.rows:
        text = f"{file.name}: its end tells of {told} rows, there are {file.rows}"
        yield finding("records-truncated", text, RECORDS)


def _of_beats(records: Records) -> Iterator[Finding]:
    import numpy

    if any(file.ended_ns is None for file in records.files):
        yield finding("records-truncated", "beats: their end was not written", RECORDS)
    codes, names = records.texts("operation")
    numbers = records.integers("seq")
    for code, name in enumerate(names):
        mine = numbers[codes == code]
        if not len(mine) or (mine[0] == 0 and (numpy.diff(mine) == 1).all()):
            continue  # as it always is, and quickly seen
        missing = int(mine.max()) + 1 - len(numpy.unique(mine))
        if missing:
            yield finding("records-truncated", f"beats: {missing} beats of {name} are missing", RECORDS)
    if len(records.files) > 1:
        yield finding("records-foreign", f"beats: there are {len(records.files)} heartbeats", RECORDS)


def problems_of_ledger(rows: Sequence[Event], bad: int, torn: bool, run_id: str) -> tuple[list[Finding], bool]:
    """:returns: what is wrong with the ledger as a file, and whether it may be used at all."""
    problems = []
    if torn:
        problems.append(finding("records-truncated", f"{LEDGER}: its last line was cut off", RECORDS))
    if bad:
        problems.append(finding("records-foreign", f"{LEDGER}: {bad} lines are no rows", RECORDS))
    header = rows[0] if rows else {}
    if header.get("chaosdrill") != "ledger" or header.get("version") != VERSION:
        text = f"it has no header of a ledger of version {VERSION}" if rows else "it is empty"
        name = "records-foreign" if rows else "records-truncated"
        return [*problems, finding(name, f"{LEDGER}: {text}", RECORDS)], False
    if run_id and header.get("run") != run_id:
        text = f"{LEDGER} is of the run {header.get('run')!r}, not of this"
        return [*problems, finding("records-foreign", text, RECORDS)], False
    return problems, True
