"""The heartbeat's parts that decide: schedule, accounts, what an answer means, what a balance tells."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosdrill.heartbeat import effect_counts
from chaosdrill.heartbeat.accounts import AccountPool
from chaosdrill.heartbeat.burst import HALF_S, Burst
from chaosdrill.heartbeat.config import Balance, SettlementFields
from chaosdrill.heartbeat.http_client import Exchange
from chaosdrill.heartbeat.jsonl import JsonLines
from chaosdrill.heartbeat.ledger import LedgerWrite
from chaosdrill.heartbeat.operation import Operation
from chaosdrill.heartbeat.retry_queue import Questions
from chaosdrill.heartbeat.schedule import NS, Pace, Steady, beginnings
from chaosdrill.heartbeat.status_checks import balance_of, field_of, state_of
from chaosdrill.heartbeat.writes import outcome_of
from chaosdrill.records.ledger import ACCEPTED, REFUSED, UNKNOWN
from tests import loops

READ = Operation("balance", "GET", "/balance", {}, frozenset({200}))
SETTLED = SettlementFields(READ, "status", ("done",), ("undone",), ("open",), frozenset({404}))


def test_beats_are_due_on_a_grid_and_operations_between_each_other():
    read, write = (Steady(begin_ns, 3.0) for begin_ns in beginnings(1_000, 3.0, 2))
    assert [read.due_ns(seq) for seq in (0, 1, 3, 3_000_000)] == [1_000, 333_334_333, 1_000_001_000, 10**15 + 1_000]
    assert write.due_ns(0) - read.due_ns(0) == pytest.approx(1e9 / 6, abs=1)


def due_s(pace: Pace, since: int, until: int) -> list[float]:
    return [pace.due_ns(seq) / NS for seq in range(since, until)]


def test_a_pace_is_raised_for_a_while_and_never_slower_than_at_rest():
    pace = Pace(0, 2.0)
    assert due_s(pace, 0, 3) == [0.0, 0.5, 1.0]
    pace.raise_to(10.0, 2 * NS)
    assert due_s(pace, 3, 15) == pytest.approx([1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.5, 3.0])
    pace.raise_to(0.1, 100 * NS)
    assert due_s(pace, 15, 17) == pytest.approx([3.5, 4.0])


class Now:
    def __init__(self) -> None:
        self.s = 100.0

    def now_ns(self) -> int:
        return round(self.s * NS)


def rate_at(pace: Pace, moment_s: float) -> float:
    return pace._raised_per_s if moment_s * NS < pace._until_ns else pace.rate_per_s


def test_writes_are_raised_when_a_transition_begins_and_when_they_are_accepted_again():
    now, pace = Now(), Pace(0, 2.0)
    burst = Burst(pace, 20.0, now)
    burst.accepted(now.now_ns())
    assert burst.begin() == 20.0
    assert (rate_at(pace, 100 + HALF_S - 1), rate_at(pace, 100 + HALF_S + 1)) == (20.0, 2.0)
    now.s = 101.0
    burst.accepted(now.now_ns())
    now.s = 140.0
    assert burst.begin() == 20.0, "a further step of the same transition"
    assert rate_at(pace, 141) == 2.0
    now.s = 180.0
    burst.accepted(now.now_ns())  # the first one after 79 s
    assert (rate_at(pace, 180 + HALF_S - 1), rate_at(pace, 180 + HALF_S + 1)) == (20.0, 2.0)
    now.s = 300.0
    burst.accepted(now.now_ns())  # of the same transition: that was all
    assert rate_at(pace, 301) == 2.0
    for at_s in (400.0, 750.0):  # the second transition was not noticed by any write
        now.s = at_s
        burst.begin()
        assert (rate_at(pace, at_s + 1), rate_at(pace, at_s + HALF_S + 1)) == (20.0, 2.0)


@pytest.mark.parametrize(("capacity", "raised"), [(None, 20.0), (7.5, 7.5), (50.0, 20.0), (0.5, 2.0)])
def test_no_more_is_sent_than_the_application_settles(capacity, raised):
    burst = Burst(Pace(0, 2.0), 20.0, Now())
    burst.capacity_per_s = capacity
    assert burst.begin() == raised


def test_the_least_used_account_that_is_free_is_taken_in_turn():
    accounts = AccountPool(["a", "b", "c"])
    taken = [accounts.take() for _ in range(3)]
    assert [one.name for one in taken] == ["a", "b", "c"]
    assert accounts.take() is None
    for one in taken:
        one.uses = 1
    taken[2].uses = 0
    for one in taken:
        accounts.give_back(one)
    assert [accounts.take().name for _ in range(3)] == ["c", "a", "b"]


def test_an_account_in_doubt_or_without_a_known_balance_is_taken_last():
    fresh = AccountPool(["doubtful", "unread", "used", "read"])
    for name in ("doubtful", "used", "read"):
        fresh.start_is_known(fresh.all[name])
    held = {one.name: one for one in (fresh.take() for _ in range(4))}
    held["doubtful"].doubtful, held["used"].uses = True, 5
    for one in held.values():
        fresh.give_back(one)
    assert [fresh.take().name for _ in range(4)] == ["read", "used", "unread", "doubtful"]


def exchange(status: int = 0, body: object = None, **values: object) -> Exchange:
    return Exchange(1, status, body=json.dumps(body).encode(), sent=True, **values)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (exchange(200, {"status": "done"}), "settled"),
        (exchange(200, {"status": "undone"}), "rolled_back"),
        (exchange(200, {"status": "open"}), "pending"),
        (exchange(200, {"status": "else"}), "unreadable"),
        (exchange(200, {}), "unreadable"),
        (exchange(200, []), "unreadable"),
        (exchange(404, {"status": "done"}), "missing"),
        (exchange(503, {"status": "done"}), "unreadable"),
        (exchange(0, error="ConnectionResetError"), "unreadable"),
        (exchange(0, error="timeout-answer", timed_out=True), "unreadable"),
    ],
)
def test_what_an_answer_says_of_a_write(answer, state):
    assert state_of(answer, SETTLED) == state


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (exchange(200, {"id": "7f"}), (ACCEPTED, "7f")),
        (exchange(200, {"id": 17}), (ACCEPTED, "17")),
        (exchange(200, {"id": None}), (UNKNOWN, None)),
        (exchange(200, {"id": "a\nb"}), (UNKNOWN, None)),
        (exchange(202, {"id": "7f"}), (UNKNOWN, None)),
        (exchange(429, {"id": "7f"}), (REFUSED, None)),
        (exchange(503), (REFUSED, None)),
        (exchange(500), (UNKNOWN, None)),
        (exchange(502), (UNKNOWN, None)),
        (exchange(504), (UNKNOWN, None)),
        (exchange(0, error="ConnectionResetError"), (UNKNOWN, None)),
        (exchange(0, error="timeout-answer", timed_out=True), (UNKNOWN, None)),
        (Exchange(1, error="ConnectionRefusedError"), (REFUSED, None)),
        (Exchange(1, error="timeout-connect", timed_out=True), (REFUSED, None)),
    ],
)
def test_a_write_is_refused_only_when_it_cannot_have_been_executed(answer, outcome):
    assert outcome_of(answer, READ, "id") == outcome


def test_a_field_inside_another():
    assert field_of(b'{"data": {"id": 5}}', "data.id") == 5
    assert field_of(b'{"data": 5}', "data.id") is None


@pytest.mark.parametrize(
    ("answer", "balance"),
    [
        (exchange(200, {"n": 17}), 17),
        (exchange(200, {"n": "17"}), 17),
        (exchange(200, {"n": 17.0}), 17),
        (exchange(200, {"n": 17.5}), None),
        (exchange(200, {"n": True}), None),
        (exchange(200, {"n": "many"}), None),
        (exchange(200, {}), None),
        (exchange(500, {"n": 17}), None),
    ],
)
def test_a_balance_is_a_whole_number_or_unknown(answer, balance):
    assert balance_of(answer, Balance(READ, "n")) == balance


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 10**6))
def test_a_balance_tells_how_often_each_write_was_executed(times, start):
    writes = [LedgerWrite(seq, "a", 4**seq, seq, 0, ACCEPTED) for seq in range(len(times))]
    balance = start + sum(count * 4**digit for digit, count in enumerate(times))
    found = effect_counts.executions(start, balance, len(times), writes)
    assert found == dict(enumerate(times))
    states = dict.fromkeys(found, "settled")
    assert effect_counts.too_few(found, writes, states) == (0 in times)
    assert [write.seq for write in effect_counts.too_many(found, writes, states)] == [
        n for n, c in enumerate(times) if c > 1
    ]


@pytest.mark.parametrize(("start", "balance", "uses"), [(None, 5, 1), (0, None, 1), (6, 5, 1), (0, 5, 21)])
def test_a_balance_that_cannot_tell_says_nothing(start, balance, uses):
    assert effect_counts.executions(start, balance, uses, [LedgerWrite(0, "a", 1, 0, 0, ACCEPTED)]) is None


@pytest.mark.parametrize(
    ("outcome", "state", "times"),
    [
        (ACCEPTED, "settled", (1, 1)),
        (ACCEPTED, "rolled_back", (0, 0)),
        (ACCEPTED, "missing", (0, 1)),
        (REFUSED, "", (0, 0)),
        (UNKNOWN, "", (0, 1)),
    ],
)
def test_how_often_a_write_may_have_been_executed(outcome, state, times):
    assert effect_counts.expected(LedgerWrite(0, "a", 1, 0, 0, outcome), state) == times


def test_questions_are_asked_again_until_they_are_answered_and_never_faster_than_allowed():
    asked: list[tuple[float, str]] = []
    under_way = most = 0

    async def ask(thing: str) -> bool:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        asked.append((asyncio.get_running_loop().time(), thing))
        await asyncio.sleep(0.05)
        under_way -= 1
        return thing != "late" or [one for _, one in asked].count("late") == 2

    async def run() -> None:
        questions = Questions(ask, per_s=100, at_once=3)
        await questions.add_all([*"abcdefgh", "late"])
        assert questions.open == 9
        await questions.run(until_answered=True)
        assert questions.open == 0

    loops.run(run())
    assert sorted(thing for _, thing in asked) == [*"abcdefgh", "late", "late"]
    assert most <= 3
    assert asked[-1][0] - asked[0][0] >= 0.5  # the pause before it was asked again
    assert asked[8][0] - asked[0][0] >= 8 / 100 - 0.03  # what it may make up for


def test_a_question_that_cannot_be_asked_is_not_passed_over():
    async def ask(thing: str) -> bool:
        raise ZeroDivisionError(thing)

    async def run() -> None:
        questions = Questions(ask, per_s=100, at_once=3)
        questions.add("a")
        await questions.run(until_answered=True)

    with pytest.raises(ZeroDivisionError):
        loops.run(run())


def test_only_whole_lines_are_handed_out(tmp_path):
    lines = JsonLines(tmp_path / "x.jsonl")
    for number in range(5):
        lines.add([number])
    assert lines.size == 0
    lines.flush()
    assert lines.read(0, 9) == b"[0]\n[1]\n"
    assert lines.read(8, 100) == b"[2]\n[3]\n[4]\n"
    assert lines.read(8, 1) == b"[2]\n"
    assert lines.read(20, 100) == b""
    with open(lines.path, "ab") as file:
        file.write(b"[5")
    assert lines.read(16, 100) == b"[4]\n"
    assert lines.read(20, 100) == b""


def test_a_file_that_is_there_is_not_added_to(tmp_path):
    JsonLines(tmp_path / "x.jsonl")
    with pytest.raises(FileExistsError):
        JsonLines(tmp_path / "x.jsonl")


def test_what_a_full_disk_does_not_take_waits():
    lines = JsonLines.__new__(JsonLines)
    lines.path, lines.trouble, lines._lines, lines._unwritten = "/dev/full", "", [], b""
    with open("/dev/full", "ab") as full:
        lines._file = full.fileno()
        lines.add([1])
        lines.flush()
    assert "make room" in lines.trouble
    assert lines._unwritten == b"[1]\n"
