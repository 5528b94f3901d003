"""A drill that is watched: from files that grow, are torn, foreign or hostile, and from nothing else."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.history import History
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.watch import Following, wait_for_run
from chaosdrill.watch.beats import LiveBeats
from chaosdrill.watch.event_texts import in_words
from chaosdrill.watch.progress import CLOSED, DIED, ONGOING, DrillProgress
from chaosdrill.watch.screen import lines
from chaosdrill.watch.tail import Tail
from tests.further import examples
from tests.replay import Replay, lines_of_run
from tests.synthetic_run import FAIL_OVER_S, HOME, RUN_ID, STANDBY, T0_NS, make_run

T0_S = T0_NS / 1e9
SETTINGS = examples(100)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    return lines_of_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def replay(written: dict[str, list[bytes]], tmp_path: Path) -> Replay:
    return Replay(written, tmp_path / RUN_ID)


@pytest.fixture
def held(replay: Replay) -> Iterator[History]:
    """The drill is alive: it holds its history."""
    history = History(replay.directory / "history.jsonl")
    yield history
    history.close()


def drawn(progress: DrillProgress, now_s: float, width: int = 100, height: int = 30) -> str:
    return "\n".join(line.plain for line in lines(progress, now_s, width, height))


# Following ----------------------------------------------------------------------------------------------------------


def test_phase_step_region_and_errors_are_those_of_the_drill_as_they_come(replay, held):
    following = Following(replay.directory)
    replay.write_until("drill-opened")
    assert [change.words for change in following.look()] == ["drill opened: "]
    replay.write_until("activity-started")
    following.look()
    assert (following.progress.step, following.progress.target, following.progress.scale) == ("start-load", "lab", 0.1)
    replay.write("timeline.jsonl", 110)  # the outage begins 10.1 s after the beginning
    following.look()
    assert following.progress.error_ratio == pytest.approx(9 / 51, abs=0.02)
    assert following.progress.state == ONGOING


def test_an_outage_is_told_when_it_begins_and_for_how_long_it_lasted_when_it_ends(replay, held):
    following = Following(replay.directory)
    replay.write("history.jsonl", 20)
    replay.write("records/beats.jsonl", 1 + 11 * 42 + 2 * 11)
    assert "outage-began" in [change.facts["event"] for change in following.look()]
    assert following.progress.beats.out_since_s == pytest.approx(T0_S + FAIL_OVER_S + 0.1, abs=0.06)
    assert "OUTAGE" in drawn(following.progress, T0_S + 12)
    replay.rest()
    ended = [change.words for change in following.look() if change.facts["event"] == "outage-ended"]
    assert [" 3.9 s " in words for words in ended] == [True, True]
    assert following.progress.beats.out_since_s is None


def test_only_what_is_new_is_read(replay, held):
    tail = Tail(replay.directory / "history.jsonl", dict)
    replay.write("history.jsonl", 10)
    assert len(tail.news()) == 10
    assert tail.news() == []
    replay.write("history.jsonl", 1)
    (event,) = tail.news()
    assert event["event"]
    before = os.stat(replay.directory / "history.jsonl").st_atime_ns
    assert tail.news() == []
    assert os.stat(replay.directory / "history.jsonl").st_atime_ns == before, "it was not even read"


def test_a_line_that_is_torn_is_read_when_it_is_whole(tmp_path):
    path, tail = tmp_path / "lines", Tail(tmp_path / "lines", list)
    assert tail.news() == []
    path.write_bytes(b'[1]\n["a')
    assert tail.news() == [[1]]
    with open(path, "ab") as file:
        file.write(b'b"]\nno json\n{"other": 1}\n\xff\xfe\n[2')
    assert tail.news() == [["ab"]]
    path.write_bytes(b"[1]\n")  # a torn line was cut off, and another one comes
    assert tail.news() == []


def test_a_drill_that_closed_is_followed_to_its_end_with_its_verdict(replay):
    following = Following(replay.directory)
    replay.rest()
    changes = following.look()
    assert changes[-1].words == "closed: PASSED"
    assert (following.progress.state, following.progress.verdict, following.finished) == (CLOSED, "passed", True)
    assert "PASSED" in drawn(following.progress, T0_S + 60)


def test_a_drill_that_closed_is_not_finished_before_it_gives_its_history_up(replay, held):
    following = Following(replay.directory)
    replay.rest()
    following.look()
    assert not following.finished
    held.close()
    assert following.finished


def test_a_drill_that_died_is_told_and_one_that_is_only_silent_is_not(replay, held):
    following = Following(replay.directory)
    replay.write("history.jsonl", 12)
    for _ in range(4):
        following.look()
        following._looked_s = float("-inf")
    assert following.progress.state == ONGOING
    held.close()
    said = []
    while following.progress.state == ONGOING:
        said = following.look()
        following._looked_s = float("-inf")
    assert following.progress.state == DIED
    assert (said[-1].facts["event"], " 09:" in said[-1].words) == ("died", True)
    assert following.finished
    assert "DIED" in drawn(following.progress, T0_S + 60)


def test_a_stored_run_is_shown_as_it_ended(tmp_path):
    following = Following(make_run(tmp_path))
    following.look()
    assert (following.progress.verdict, following.finished) == ("passed", True)


# Choosing -----------------------------------------------------------------------------------------------------------


def test_the_run_that_goes_on_is_chosen_else_the_next_one_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    make_run(tmp_path)
    said: list[str] = []
    later = tmp_path / "20260601T093000Z-failover-ab12"
    begin = iter([lambda: None, lambda: later.mkdir()])
    assert wait_for_run(said.append, pause=lambda _: next(begin)()) == later
    assert len(said) == 1
    assert f" {RUN_ID}:" in said[0]
    history = History(later / "history.jsonl")
    (tmp_path / "20260701T093000Z-failover-ab12").mkdir()
    try:
        assert wait_for_run(said.append) == later
    finally:
        history.close()
    assert len(said) == 1


# Beats --------------------------------------------------------------------------------------------------------------


def beat(
    at_s: float, outcome: int = 0, operation: int = 0, region: str = HOME, duration_us: int = 9000
) -> list[object]:
    return ["b", 1, operation, round((1000 + at_s) * 1e9), 0, duration_us, outcome, 200, "", region, "10.0.0.1"]


def test_single_lost_beats_are_no_outage_and_late_answers_are_no_service():
    beats = LiveBeats()
    beats.take({"chaosdrill": "beats", "deadline_s": 0.5})
    for tenth in range(100):
        beats.take(beat(tenth / 10, outcome=tenth % 3 == 0))
    assert (beats.outages, beats.out_since_s) == ([], None)
    told = [one for tenth in range(100, 130) for one in beats.take(beat(tenth / 10, duration_us=600_000))]
    assert [(one.since_s, one.until_s) for one in told] == [(1009.9, None)]
    assert [one.until_s for one in beats.take(beat(13.0))] == [1013.0]


def test_an_outage_of_one_operation_is_one_and_it_ends_when_every_operation_is_served():
    beats = LiveBeats()
    for tenth in range(20):
        beats.take(beat(tenth / 10))
        beats.take(beat(tenth / 10, outcome=1, operation=1))
    assert beats.out_since_s == 1000.0
    beats.take(beat(2.0, operation=1))
    assert [(one.since_s, one.until_s) for one in beats.outages] == [(1000.0, 1002.0)]


def test_the_heartbeat_s_clock_is_brought_to_that_of_the_drill():
    beats = LiveBeats()
    beats.take_clock({"event": "clock-measured", "source": "heartbeat", "offset_ns": 100 * 10**9})
    beats.take(beat(100.0))
    assert beats.newest_s == 1000.0


# The screen ---------------------------------------------------------------------------------------------------------


def test_the_strip_has_a_letter_a_second_that_says_the_same_as_its_colour(replay):
    following = Following(replay.directory)
    replay.rest()
    following.look()
    following.progress.state = ONGOING
    made = lines(following.progress, T0_S + 47, 110, 30)
    (strip,) = [line for line in made if line.plain.startswith("beats")]
    signs = strip.plain.split()[1]
    assert signs[:10] == "h" * 10
    assert signs[11:13] == "xx"
    assert signs[15:21] == "s" * 6
    assert signs[30:40] == "h" * 10
    assert signs[-2:] == ".."
    text = drawn(following.progress, T0_S + 47, 110)
    for words in (f"h {HOME}", f"s {STANDBY}", " unserved", " 2 s ", ": 3.9 s, 3.9 s"):
        assert words in text


@SETTINGS
@given(width=st.integers(0, 300), height=st.integers(0, 80), count=st.integers(0, 60))
def test_it_fits_whatever_terminal_there_is(written, tmp_path_factory, width, height, count):
    replay = Replay(written, tmp_path_factory.mktemp("fits") / RUN_ID)
    replay.write("history.jsonl", count)
    replay.write("records/beats.jsonl", count * 30)
    following = Following(replay.directory)
    following.look()
    made = lines(following.progress, T0_S + count, width, height)
    assert len(made) <= max(height, 6)
    assert all(line.cell_len <= max(width, 30) for line in made)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["\x1b[2J\x1b]0;owned\x07", "\u202e", "a\nb\r", "x" * 5000, "漢字" * 400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FACTS = ("activity", "why", "state", "title", "verdict", "reasons", "configuration", "planned", "origin", "phase",
         "seconds", "lost", "users", "scale", "duration_s", "status", "tolerance_met", "output", "at", "offset_ns",
         "source", "target")  # fmt: skip
KNOWN = ("clock-measured", "made-up", "drill-opened", "target-opened", "phase", "activity-started", "activity-ended",
         "region-state", "read-back", "execution-ended", "load-started", "drill-closed", "refused", "crashed",
         "safeguard-tripped")  # fmt: skip


@pytest.mark.long
@SETTINGS
@given(events=st.lists(st.tuples(st.sampled_from(KNOWN), st.dictionaries(st.sampled_from(FACTS), HOSTILE)), max_size=6),
       rows=st.lists(HOSTILE, max_size=6), numbers=st.lists(HOSTILE, min_size=8, max_size=12))  # fmt: skip
def test_whatever_stands_in_the_files_it_is_shown_safely_or_passed_over(events, rows, numbers):
    progress = DrillProgress("run")
    for name, facts in events:
        for change in progress.take_event({**facts, "event": name}):
            assert change.words.isprintable()
            assert len(change.words) <= 200
            json.dumps(change.facts)
    for row in [*rows, ["b", *numbers], numbers, *([row] for row in rows)]:
        progress.take_row(row)
        if isinstance(row, list):
            progress.take_bucket(row)
    for width in (30, 80, 200):
        made = lines(progress, time.time(), width, 24)
        assert all(line.plain.isprintable() and line.cell_len <= width for line in made)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07", "\u202e\u2066", "a\nb\r", "x" * 5000, "漢字" * 400])
def test_no_text_of_an_event_reaches_the_terminal_as_it_is(name, text):
    progress = DrillProgress("run")
    words = [change.words for change in progress.take_event({**dict.fromkeys(FACTS, text), "event": name})]
    assert all(one.isprintable() and len(one) <= 200 for one in words)
    assert all(line.plain.isprintable() for line in lines(progress, time.time(), 120, 24))


@SETTINGS
@given(chunks=st.lists(st.binary(max_size=60) | st.sampled_from([b'{"event": "phase"}\n', b"[1]", b"\n"]), max_size=12))
def test_however_a_file_grows_each_whole_line_is_read_once(tmp_path_factory, chunks):
    path = tmp_path_factory.mktemp("grows") / "lines"
    path.write_bytes(b"")
    tail, seen = Tail(path, dict), 0
    for chunk in chunks:
        with open(path, "ab") as file:
            file.write(chunk)
        seen += len(tail.news())
    whole = b"".join(chunks).split(b"\n")[:-1]
    assert seen == sum(line.strip(b" \t\r") == b'{"event": "phase"}' for line in whole) or seen <= len(whole)


def test_a_line_that_never_ends_fills_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("chaosdrill.watch.tail.MOST", 100)
    path, tail = tmp_path / "lines", Tail(tmp_path / "lines", list)
    path.write_bytes(b"x" * 1000 + b"\n[1]\n")
    seen = [value for _ in range(20) for value in tail.news()]
    assert seen == [[1]]


def test_events_that_nobody_waits_for_are_passed_over():
    assert in_words({"event": "aws-call", "operation": "SendCommand"}) == ""
    assert in_words({"event": "activity-ended", "activity": "x", "status": "succeeded", "tolerance_met": False,
                     "output": 3, "tolerance": 0}) == "missed: x: 3, wanted 0"  # fmt: skip
