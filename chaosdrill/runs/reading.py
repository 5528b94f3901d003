"""Reading of a run directory in any state as a :class:`chaosdrill.analysis.run.Run`, with findings on its state."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from chaosdrill.analysis.clocks import Offset, offset_of
from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.ledger import WriteLedger, ledger_of
from chaosdrill.analysis.region_observations import facts_changes, regions_of_addresses
from chaosdrill.analysis.run import RecordSource, Run
from chaosdrill.history.run_directory import TIMELINE
from chaosdrill.messages import Name, as_it_is, sentence
from chaosdrill.records.rows import BEATS, REQUESTS, RecordSchema
from chaosdrill.runs.events import read_events, run_id_of
from chaosdrill.runs.jsonl import json_lines
from chaosdrill.runs.records.checking import problems_of_files, problems_of_ledger, problems_of_records
from chaosdrill.runs.records.tables import LEDGER, RECORDS, RawFileInfo, Records, read_records
from chaosdrill.runs.records.truths import read_truths

if TYPE_CHECKING:
    from chaosdrill.analysis.load_outage import Bucket
    from chaosdrill.analysis.records import Beats
    from chaosdrill.runs.records.arrays import Offsets

Kept = TypeVar("Kept")
FILE, FOLDER = as_it_is(LEDGER), as_it_is(RECORDS)


def read_run(directory: Path, still_open: bool = False) -> Run:
    """Read everything that a drill recorded.

    :param directory: the run directory.
    :param still_open: the drill is being closed: its history has no end yet.
    :returns: the run; what cannot be read or was altered is in its ``problems``, and never raises.
    """
    events, problems = read_events(directory, still_open)
    run_id = run_id_of(events)
    problems += problems_of_files(directory, events)

    def offset(source: str) -> Offset:
        return offset_of(events, source)

    from chaosdrill.runs.records import arrays

    sources: list[RecordSource] = []
    vouched = {str(one.get("file")): str(one.get("sha256")) for one in events if one.get("event") == "records-stored"}

    def judged(schema: RecordSchema, arrays_of: "Callable[[Records, Offsets], Kept]") -> "Kept | None":
        """Read one table at a time and keep none, so that a run of millions of records fits into memory."""
        records, told = _records(directory, schema, run_id, vouched)
        problems.extend(told)
        if records is None:
            return None
        sources.extend(_source(file, schema, offset(file.source)) for file in records.files)
        return arrays_of(records, offset)

    regions = regions_of_addresses(facts_changes(Run(tuple(events))))

    def beats_of(records: Records, offset: "Offsets") -> "Beats":
        return arrays.beats(records, offset, regions)

    beats, requests = judged(BEATS, beats_of), judged(REQUESTS, arrays.requests)
    ledger, told = _ledger(directory, events, run_id)
    problems += told
    truths, told = read_truths(directory, events)
    problems += told
    return Run(
        tuple(events),
        beats,
        requests,
        ledger,
        tuple(_buckets(directory)),
        tuple(sources),
        tuple(dict.fromkeys(problems)),
        truths,
    )


def _records(
    directory: Path, schema: RecordSchema, run_id: str, vouched: Mapping[str, str]
) -> tuple[Records | None, list[Finding]]:
    """Return the records that the history vouches for; the check of the hashes reports the others."""
    try:
        records = read_records(directory, schema, vouched)
    except (OSError, ValueError) as error:
        values = {"records": Name("sample", schema.kind), "why": as_it_is(error)}
        return None, [finding("records-foreign", sentence("the {records} cannot be read: {why}", **values), FOLDER)]
    if records is None:
        return None, []
    problems, usable = problems_of_records(records, schema, run_id)
    return records if usable else None, problems


def _ledger(directory: Path, events: list[dict[str, Any]], run_id: str) -> tuple[WriteLedger | None, list[Finding]]:
    path = directory / RECORDS / LEDGER
    if not path.is_file():
        return None, []
    try:
        rows, bad, torn = json_lines(path)
    except OSError as error:
        text = sentence("{file} cannot be read: {why}", file=LEDGER, why=as_it_is(error))
        return None, [finding("records-missing", text, FILE)]
    problems, usable = problems_of_ledger(rows, bad, torn, run_id)
    if not usable:
        return None, problems
    ledger = ledger_of(rows, offset_of(events, str(rows[0].get("source"))))
    told = (sentence("{file}: {why}", file=LEDGER, why=why) for why in ledger.problems)
    problems += [finding("records-foreign", text, FILE) for text in told]
    if not ledger.ended:
        problems.append(finding("records-truncated", sentence("{file}: its end was not written", file=LEDGER), FILE))
    return ledger, problems


def _buckets(directory: Path) -> "list[Bucket]":
    try:
        rows, _, _ = json_lines(directory / TIMELINE, list)
    except OSError:
        return []
    numbers = (int, float)
    return [row for row in rows if len(row) == 3 and all(type(part) in numbers for part in row)]


def _source(file: RawFileInfo, schema: RecordSchema, offset: Offset) -> RecordSource:
    mark_ns = None if file.watermark_ns is None else offset.to_recorder(file.watermark_ns)
    silences = tuple((offset.to_recorder(since), offset.to_recorder(until)) for since, until in file.silences)
    return RecordSource(file.source, schema.kind, mark_ns, file.ended_ns is not None, silences)
