"""Export of a run as CSV files for spreadsheets: figures, phases, findings, region states, and all records."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaosdrill.analysis.measurement import Measured
from chaosdrill.errors import BadInput, problem
from chaosdrill.records.rows import BEATS, REQUESTS, RecordSchema
from chaosdrill.runs.jsonl import json_lines
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.records.tables import LEDGER, RECORDS, open_stored, parquet_path, raw_paths, read_raw

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement
    from chaosdrill.analysis.ledger import WriteLedger
    from chaosdrill.analysis.run import Run

ENDING: Final = "-csv"
NS: Final = 1_000_000_000
BATCH: Final = 50_000  # rows
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet executes a cell that begins with one of these
Rows = Iterable[Sequence[Any]]


def write_csv_files(directory: Path, output: Path | None, run: "Run", judgement: "Judgement") -> list[Path]:
    """Write a run as CSV files.

    :param directory: the run directory.
    :param output: the directory to create; None: one named like the run, in the current directory.
    :returns: the files. Times are UTC in ISO 8601; those of beats and requests are by the clock of their recorder.
    :raises BadInput: ``export-unwritable``; ``run-ongoing`` while the drill runs.
    """
    if goes_on(directory):
        raise BadInput([problem("run-ongoing", f"the drill of {directory.name} goes on: wait until it has ended")])
    into = output or Path(directory.resolve().name + ENDING)
    try:
        into.mkdir(parents=True)
        tables = {**_judged(judgement), "events": _events(run), **dict(_recorded(directory))}
        if run.ledger is not None:
            tables["synthetic-writes"] = _synthetic_writes(run.ledger)
        return [_write(into / f"{name}.csv", rows) for name, rows in tables.items()]
    except ValueError as error:  # such as records that are not what chaosdrill stores
        why = f"{into} cannot be written: {error}: see `chaosdrill runs verify`"
        raise BadInput([problem("export-unwritable", why)]) from error
    except OSError as error:
        why = f"{into} cannot be written ({error.strerror or error}): name another directory with --output"
        raise BadInput([problem("export-unwritable", why)]) from error


def _write(path: Path, rows: Rows) -> Path:
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list, tuple)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _judged(judgement: "Judgement") -> dict[str, Rows]:
    return {
        "verdict": [("verdict", "reason"), *((judgement.verdict, str(one)) for one in judgement.reasons)],
        "figures": _figures(judgement.figures),
        "findings": [
            ("finding", "verdict", "text", "evidence"),
            *((one.name, one.verdict, str(one.text), ", ".join(one.evidence)) for one in judgement.findings),
        ],
        "phases": _phases(judgement),
    }


def _figures(figures: Mapping[str, Measured]) -> Iterator[Sequence[Any]]:
    names = [one.name for one in fields(Measured)]
    yield ("figure", *names)
    for name, figure in figures.items():
        values = figure.as_json()
        yield (name, *(values[one] for one in names))


def _phases(judgement: "Judgement") -> Iterator[Sequence[Any]]:
    yield ("transition", "phase", "at", "seconds", "uncertainty_s", "evidence")
    for one in judgement.movements:
        for phase in one.as_json()["phases"]:
            known = (phase["name"], _utc(phase["at_ns"]), phase["seconds"], phase["uncertainty_s"])
            yield (one.leg.what, *known, ", ".join(phase["evidence"]))


def _events(run: "Run") -> Iterator[Sequence[Any]]:
    yield ("at", "event", "facts")
    for event in run.events:
        facts = {name: value for name, value in event.items() if name not in ("at", "event", "seal")}
        yield (event.get("at"), event.get("event"), facts)


def _recorded(directory: Path) -> Iterator[tuple[str, Rows]]:
    for schema in (BEATS, REQUESTS):
        if parquet_path(directory, schema).is_file() or raw_paths(directory, schema):
            yield schema.kind, _records(directory, schema)
    ledger = directory / RECORDS / LEDGER
    if ledger.is_file():
        rows, _, _ = json_lines(ledger)
        names = list(dict.fromkeys(name for row in rows for name in row))
        yield "ledger", [names, *([row.get(name) for name in names] for row in rows)]


def _synthetic_writes(ledger: "WriteLedger") -> Iterator[Sequence[Any]]:
    """Yield what the drill left in the application's own ledger, so that it can be cleaned up."""
    yield ("id", "account", "quantity", "sent_at", "outcome", "state", "region", "address")
    for write, state in ledger.left_in_application():
        quantity = None if write.digit is None else ledger.base**write.digit
        sent = (write.id, write.account, quantity, _utc(write.due_ns))
        yield (*sent, write.outcome, state, write.region, write.address)


def _records(directory: Path, schema: RecordSchema) -> Iterator[Sequence[Any]]:
    """Yield every column as it was recorded, with the time of each row in UTC."""
    stored = parquet_path(directory, schema)
    if stored.is_file():
        file = open_stored(stored, schema)
        names, batches = file.schema_arrow.names, file.iter_batches(BATCH)
    else:
        table = read_raw(raw_paths(directory, schema), schema).table
        names, batches = table.schema.names, iter(table.to_batches(BATCH))
    yield ("at", *names)
    for batch in batches:
        columns = batch.to_pydict()
        for row in zip(*(columns[name] for name in names), strict=True):
            yield (_utc(row[names.index(schema.time)]), *row)


def _utc(at_ns: int | None) -> str:
    if at_ns is None or not 0 <= at_ns < 253_402_300_800 * NS:
        return ""
    return f"{datetime.fromtimestamp(at_ns // NS, UTC):%Y-%m-%dT%H:%M:%S}.{at_ns % NS:09d}Z"
