"""Whatever is done to a run after its drill has closed, ``verify`` finds it, and says where."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.history.seal import sealed
from chaosdrill.runs.verifying import Verified, verify_run
from tests import whole_run
from tests.further import examples, first_of
from tests.synthetic_run import make_run
from tests.whole_run import make_whole_run

SETTINGS = examples(60)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_run(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / kept.name))


def places(found: Verified) -> set[str]:
    return {f"{one.what} {one.where}" for one in found.problems}


def files_of(run: Path) -> list[str]:
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def test_a_run_that_nobody_touched_is_intact(kept):
    found = verify_run(kept)
    assert (found.problems, found.notes) == ((), ())
    assert (found.intact, found.stored, found.judged) == (True, "passed", "passed")
    assert found.files == len(files_of(kept)) - 1  # the history is under its own seals
    assert found.events == len((kept / "history.jsonl").read_bytes().splitlines())


def test_raw_records_are_vouched_for_as_well_as_stored_ones(tmp_path):
    found = verify_run(make_run(tmp_path, stored=False))
    assert (found.problems, found.files) == ((), 5)


@pytest.mark.long
@SETTINGS
@given(st.data())
def test_one_bit_that_is_not_as_it_was_is_found_in_every_file(kept, data):
    name = data.draw(st.sampled_from(files_of(kept)))
    before = (kept / name).read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    after = before[:place] + bytes([before[place] ^ (1 << data.draw(st.integers(0, 7)))]) + before[place + 1 :]
    found = _with(kept / name, after, before)
    if name == "history.jsonl":
        line = before[:place].count(b"\n") + 1
        assert {f"altered {name} line {line}", f"altered {name} line {line + 1}"} & places(found)
    else:
        assert places(found) == {f"altered {name}"}


@pytest.mark.parametrize("how", first_of(["cut off", "lengthened", "emptied"]))
def test_a_file_of_another_length_is_found(kept, how):
    for name in files_of(kept):
        before = (kept / name).read_bytes()
        after = {"cut off": before[:-1], "lengthened": before + b"\n", "emptied": b""}[how]
        assert not _with(kept / name, after, before).intact, name


def test_a_file_that_is_gone_renamed_or_swapped_is_found(run):
    names = [name for name in files_of(run) if name != "history.jsonl"]
    for name in names:
        (run / name).rename(run / "elsewhere")
        assert places(verify_run(run)) == {f"missing {name}", "added elsewhere"}
        (run / "elsewhere").rename(run / name)
    for one, other in pairwise(names):
        _swap(run / one, run / other)
        assert places(verify_run(run)) >= {f"altered {one}", f"altered {other}"}
        _swap(run / one, run / other)
    assert verify_run(run).intact


@pytest.mark.parametrize(
    "name", ["more.txt", "records/beats-2.parquet", "evidence/execution-9.json", "deep/down/x", ".x"]
)
def test_a_file_that_was_added_is_found(run, name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("{}")
    assert places(verify_run(run)) == {f"added {name}"}


def test_a_link_in_the_place_of_a_file_is_not_followed(run, tmp_path):
    shutil.copy(run / "summary.json", tmp_path / "same.json")
    (run / "summary.json").unlink()
    (run / "summary.json").symlink_to(tmp_path / "same.json")
    assert places(verify_run(run)) == {"altered summary.json"}
    (run / "more").symlink_to(tmp_path)
    os.mkfifo(run / "pipe")
    assert places(verify_run(run)) == {"altered summary.json", "added more", "added pipe"}


@pytest.mark.parametrize("instead", ["pipe", "directory", "nothing"])
def test_a_history_that_is_none_is_found_and_not_waited_for(run, instead):
    (run / "history.jsonl").unlink()
    if instead == "pipe":
        os.mkfifo(run / "history.jsonl")
    elif instead == "directory":
        (run / "history.jsonl").mkdir()
    assert "missing history.jsonl" in places(verify_run(run))


Lines = list[bytes]
CHANGES: dict[str, Callable[[Lines, int, int], Lines]] = {
    "dropped": lambda lines, one, _: lines[:one] + lines[one + 1 :],
    "doubled": lambda lines, one, _: [*lines[: one + 1], *lines[one:]],
    "swapped": lambda lines, one, two: [lines[{one: two, two: one}.get(at, at)] for at in range(len(lines))],
    "made up": lambda lines, one, _: [*lines[:one], b'{"event": "made-up"}', *lines[one:]],
    "cut off before": lambda lines, one, _: lines[:one],
    "begun after": lambda lines, one, _: lines[one + 1 :],
    "without seal": lambda lines, one, _: [*lines[:one], b'{"event": "phase"}', *lines[one + 1 :]],
    "sealed otherwise": lambda lines, one, _: [*lines[:one], sealed(b'{"event": "x"}', "")[0], *lines[one + 1 :]],
}  # fmt: skip


@pytest.mark.long
@SETTINGS
@given(change=st.sampled_from(sorted(CHANGES)), first=st.integers(0, 10**4), second=st.integers(0, 10**4))
def test_an_event_that_was_dropped_added_moved_or_replaced_is_found(kept, change, first, second):
    path = kept / "history.jsonl"
    before = path.read_bytes()
    lines = before.splitlines()
    changed = CHANGES[change](list(lines), first % len(lines), second % len(lines))
    found = _with(path, b"".join(line + b"\n" for line in changed), before)
    assert found.intact == (changed == lines)
    if changed != lines:
        assert any(one.where.startswith("history.jsonl") for one in found.problems)


def test_the_line_is_named_where_an_event_was_dropped(run):
    lines = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
    (run / "history.jsonl").write_bytes(b"".join(lines[:5] + lines[6:]))
    (problem,) = verify_run(run).problems
    assert (problem.where, problem.what) == ("history.jsonl line 6", "altered")


def test_what_follows_the_end_is_found_even_with_a_good_seal(run):
    path = run / "history.jsonl"
    last = json.loads(path.read_bytes().splitlines()[-1])
    path.write_bytes(path.read_bytes() + sealed(b'{"event": "phase"}', last["seal"])[0] + b"\n")
    assert places(verify_run(run)) == {f"added history.jsonl line {len(path.read_bytes().splitlines())}"}


def test_a_drill_that_died_is_unfinished_and_its_records_are_not_called_added(run):
    lines = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
    end = next(at for at, line in enumerate(lines) if b'"records-collected"' in line)
    (run / "history.jsonl").write_bytes(b"".join(lines[:end]))
    found = verify_run(run)
    assert places(found) == {"unfinished history.jsonl"}
    assert any("records/beats.parquet" in note for note in found.notes)


def test_a_summary_that_no_history_vouches_for_must_agree_with_the_judgement(tmp_path):
    run = make_run(tmp_path)
    (run / "summary.json").write_text(json.dumps({"version": 2, "verdict": "passed", "reasons": []}))
    assert verify_run(run).intact
    (run / "summary.json").write_text(json.dumps({"version": 2, "verdict": "failed", "reasons": []}))
    (problem,) = verify_run(run).problems
    assert (problem.what, problem.where) == ("differs", "summary.json")
    assert (" failed;" in problem.text, problem.text.endswith(" passed")) == (True, True)


def test_a_sealed_verdict_that_judging_again_does_not_give_is_a_problem(tmp_path, monkeypatch):
    """Attack: a run is made up, and sealed as it should be, with a better verdict than its records give."""
    usual = whole_run._summary()
    monkeypatch.setattr(whole_run, "_summary", lambda: {**usual, "verdict": "failed"})
    found = verify_run(whole_run.make_whole_run(tmp_path))
    (problem,) = found.problems
    assert (problem.what, problem.where) == ("differs", "summary.json")
    assert (found.stored, found.judged) == ("failed", "passed")


def test_directories_that_have_no_end_are_named_and_not_entered(run):
    deep = run
    for _ in range(8):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (problem,) = verify_run(run).problems
    assert problem.what == "added"
    assert set(problem.where.split("/")) == {"d"}


def test_tags_and_a_report_are_no_part_of_a_run(run):
    (run / "tags.json").write_text('{"tags": ["q2"]}')
    (run / "report.html").write_text("<html>")
    assert verify_run(run).intact


def test_evidence_that_could_not_be_had_is_a_note(tmp_path):
    missed = {"file": "evidence/execution-1.json", "sha256": None, "kind": "execution", "of": "arn", "why": "denied"}
    run = make_run(tmp_path, events_of=lambda rows: [*rows, {"s": 45.5, "event": "evidence-collected", **missed}])
    found = verify_run(run)
    assert (found.intact, found.judged) == (True, "passed")
    (note,) = found.notes
    assert (note.startswith("evidence/execution-1.json: "), note.endswith(": denied")) == (True, True)


def _with(path: Path, after: bytes, before: bytes) -> Verified:
    path.write_bytes(after)
    try:
        return verify_run(path.parents[1] if path.parent.name in ("records", "evidence") else path.parent)
    finally:
        path.write_bytes(before)


def _swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
