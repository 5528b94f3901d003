"""The schema of records stands in one place, and its users take it from there."""

import json
import re
from pathlib import Path

import pytest

import chaosdrill
from chaosdrill.heartbeat.jsonl import BeatRecorder
from chaosdrill.load.request_rows import RequestRows, header
from chaosdrill.records import ledger, rows

PACKAGE = Path(chaosdrill.__file__).parent
# a row that is written by hand, or a header or type of the ledger
BY_HAND = re.compile(
    r"""\[["'][brdwe]["'],|["']chaosdrill["']: ["'](beats|requests|ledger)["']"""
    r"""|["']row["']: ["']|read-back-(begun|ended)"""
)


def test_no_other_module_writes_or_reads_rows_by_hand() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "records" and "lab" not in path.relative_to(PACKAGE).parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BY_HAND.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("schema", rows.SCHEMAS, ids=lambda one: one.kind)
def test_a_column_has_its_place_after_the_type(schema: rows.RecordSchema) -> None:
    row = [schema.row, *schema.columns]
    assert [row[schema.place(name)] for name in schema.columns] == list(schema.columns)
    assert set(schema.not_judged) <= set(schema.stored)
    assert next(iter(schema.stored)) == "source"
    with pytest.raises(ValueError, match="shoe"):
        schema.place("shoe")


def test_what_is_written_has_the_schema(tmp_path: Path) -> None:
    recorder = BeatRecorder(tmp_path / "beats.jsonl", {"source": "heartbeat"})
    beat = dict.fromkeys(rows.BEATS.columns, 0) | {"due_ns": 7, "outcome": rows.TIMED_OUT}
    recorder.beat(list(beat.values()))
    recorder.lookup(8, ["10.0.0.1"], 30, "")
    recorder.watermark(9)
    recorder.end(10, [1])
    recorder.file.flush()
    lines = (tmp_path / "beats.jsonl").read_bytes().splitlines()
    assert json.loads(lines[0]) == {"chaosdrill": "beats", "version": rows.VERSION, "source": "heartbeat"}
    types = (rows.BEAT, rows.LOOKUP, rows.WATERMARK, rows.END)
    assert [[rows.is_row(line, one) for one in types] for line in lines[1:]] == [
        [number == place for place in range(4)] for number in range(4)
    ]
    written = json.loads(lines[1])
    assert (written[rows.BEATS.place("due_ns")], written[rows.BEATS.place("outcome")]) == (7, rows.TIMED_OUT)


def test_a_request_has_a_value_for_each_column() -> None:
    kind = ("GET", "/", rows.REFUSED, 404, "", "ap-northeast-1", "10.0.0.1", 1)
    (line,) = RequestRows(0).lines(kind, [5, 3, 0.002, 17])
    row = json.loads(line)
    assert rows.is_row(line.encode(), rows.REQUEST)
    found = {name: row[rows.REQUESTS.place(name)] for name in rows.REQUESTS.columns}
    assert (found["start_ns"], found["duration_us"], found["size"], found["resends"]) == (3, 2, 17, 1)
    assert (found["outcome"], found["status"], found["region"]) == (rows.REFUSED, 404, "ap-northeast-1")
    assert json.loads(header("w1", "run-1", {}))["chaosdrill"] == rows.REQUESTS.kind


def test_the_best_state_of_a_write_comes_first() -> None:
    assert ledger.STATES.index(ledger.SETTLED) < ledger.STATES.index(ledger.MISSING)
    assert set(ledger.FINAL) <= set(ledger.STATES)
