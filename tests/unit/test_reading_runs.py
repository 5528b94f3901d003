"""Runs that were mistreated: nothing breaks, everything is found, and no verdict becomes better."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosdrill.analysis.judgement import Judgement, judge
from chaosdrill.paths import VARIABLE
from chaosdrill.runs import find_run, read_run
from tests.failing import fails_with
from tests.synthetic_run import RUN_ID, make_run

Change = Callable[[bytes, int, int], bytes]


@pytest.fixture(scope="module", params=[True, False], ids=["parquet", "raw"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), stored=request.param)


def lines_changed(change: Callable[[list[bytes], int, int], list[bytes]]) -> Change:
    def changed(data: bytes, first: int, second: int) -> bytes:
        lines = data.splitlines(keepends=True)
        return b"".join(change(lines, first % len(lines), second % len(lines))) if lines else data

    return changed


def swapped(lines: list[bytes], first: int, second: int) -> list[bytes]:
    lines[first], lines[second] = lines[second], lines[first]
    return lines


def flipped(data: bytes, first: int, second: int) -> bytes:
    place = first % max(1, len(data))
    return data[:place] + bytes([data[place] ^ (1 + second % 255)]) + data[place + 1 :] if data else data


CHANGES: dict[str, Change] = {
    "cut off": lambda data, first, second: data[: first % max(1, len(data))],
    "a part cut out": lambda data, first, second: (
        data[: first % max(1, len(data))] + data[second % max(1, len(data)) :]
    ),
    "a byte changed": flipped,
    "emptied": lambda data, first, second: b"",
    "something added": lambda data, first, second: data + b'["b",0,0,1,1,1,0,200,"","",""]\n',
    "a line lost": lines_changed(lambda lines, first, second: lines[:first] + lines[first + 1 :]),
    "a line doubled": lines_changed(lambda lines, first, second: [*lines[: first + 1], *lines[first:]]),
    "a line moved": lines_changed(swapped),
    "a digit changed": lambda data, first, second: data.replace(b"%d" % (first % 10), b"%d" % (second % 10), 1),
    "rubbish": lambda data, first, second: bytes(first % 256 for _ in range(second % 999)),
    "of the future": lambda data, first, second: data.replace(b'"version": 1', b'"version": 2').replace(b'"1:', b'"2:'),
}


@pytest.mark.long
@settings(max_examples=25)
@given(
    number=st.integers(0, 20), change=st.sampled_from(sorted(CHANGES)), first=st.integers(0, 10**6),
    second=st.integers(0, 10**6),
)  # fmt: skip
def test_whatever_is_done_to_a_file_of_a_run_its_verdict_is_not_the_better_for_it(run, number, change, first, second):
    files = sorted(path for path in run.rglob("*") if path.is_file())
    path = files[number % len(files)]
    before = path.read_bytes()
    after = CHANGES[change](before, first, second)
    try:
        path.write_bytes(after)
        judgement = judge(read_run(run))
    finally:
        path.write_bytes(before)
    assert (judgement.verdict == "passed") == (after == before), f"{path.name}: {change}"
    json.dumps(judgement.as_json())


def test_a_beat_of_long_ago_takes_no_more_memory_than_another(tmp_path):
    """Between it and the others lie billions of seconds, none of which is counted."""
    run = make_run(tmp_path, stored=False)
    beats = run / "records" / "beats.jsonl"
    beats.write_bytes(CHANGES["something added"](beats.read_bytes(), 0, 0))
    tracemalloc.start()
    try:
        judgement = judge(read_run(run))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 500e6
    assert not [one.text for one in judgement.findings if "rule" in one.text.values]


@settings(max_examples=15)
@given(cut=st.lists(st.integers(0, 200), max_size=4), values=st.lists(st.integers(0, 10**6), min_size=4, max_size=4))
def test_a_history_that_was_sealed_anew_breaks_no_rule_badly(run, cut, values):
    """Members of events replaced by values of other types: rules may fail, judging does not, nor does it pass."""
    from chaosdrill.analysis.run import Run

    whole = read_run(run)
    events = [dict(event) for event in whole.events]
    odd = [None, 7, "x", [], {"error": "x"}, -1.5, True]
    for number, value in zip(cut, values, strict=False):
        event = events[number % len(events)]
        key = sorted(event)[value % len(event)]
        event[key] = odd[value % len(odd)]
    judgement = judge(Run(events, whole.beats, whole.requests, whole.ledger, whole.buckets, whole.sources))
    assert judgement.verdict in ("passed", "failed", "invalid", "refused", "interrupted")
    json.dumps(judgement.as_json())


@pytest.mark.parametrize("name", ["history.jsonl", "timeline.jsonl", "records", "records/ledger.jsonl"])
def test_what_is_missing_is_told(run, tmp_path, name):
    copy = tmp_path / RUN_ID
    shutil.copytree(run, copy)
    shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink()
    judgement = judge(read_run(copy))
    assert judgement.verdict == "invalid"
    wanted = "history-broken" if name == "history.jsonl" else "records-missing"
    assert wanted in {one.name for one in judgement.findings}


def test_a_stored_file_that_was_changed_is_not_even_parsed(tmp_path: Path) -> None:
    """A flipped bit can make the parser ask for all the memory there is."""
    run = make_run(tmp_path)
    stored = run / "records" / "requests.parquet"
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    read = read_run(run)
    assert read.requests is None
    assert read.beats is not None
    assert [one.name for one in read.problems] == ["records-edited"]


def test_an_empty_directory_is_a_run_that_proves_nothing(tmp_path: Path) -> None:
    judgement = judge(read_run(tmp_path))
    assert judgement.verdict == "invalid"
    assert all(figure.value is None for figure in judgement.figures.values())


def test_parquet_and_raw_records_are_judged_alike(tmp_path: Path) -> None:
    def told(stored: bool) -> Judgement:
        return judge(read_run(make_run(tmp_path / str(stored), stored=stored)))

    assert told(True).as_json() == told(False).as_json()


def test_a_drill_that_is_being_closed_is_judged_as_it_will_be_judged_later(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / RUN_ID
    shutil.copytree(run, copy)
    history = copy / "history.jsonl"
    history.write_bytes(b"".join(history.read_bytes().splitlines(keepends=True)[:-1]))
    assert judge(read_run(copy, still_open=True)).as_json() == judge(read_run(run)).as_json()
    assert judge(read_run(copy)).verdict == "invalid"


def test_a_run_is_found_by_the_beginning_of_its_id_by_its_path_or_as_the_newest(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with fails_with("run-missing"):
        find_run()
    for name in ("20260501T01Z-a", "20260501T02Z-b", "20260502T01Z-a"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert find_run().name == "20260502T01Z-a"
    assert find_run("20260501T02").name == "20260501T02Z-b"
    assert find_run(str(tmp_path / "runs" / "20260501T01Z-a")).name == "20260501T01Z-a"
    with fails_with("run-ambiguous"):
        find_run("20260501")
    with fails_with("run-missing"):
        find_run("x")
