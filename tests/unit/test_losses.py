"""Lost, duplicated, resurrected writes, from literal ledgers; and never 0 where nobody looked."""

from typing import Any

import hypothesis.strategies
import pytest
from hypothesis import given

from chaosdrill.analysis.ledger import ledger_of
from chaosdrill.analysis.losses import NOT_ACCEPTED, NOT_DESCRIBED, NOT_RECORDED, NOT_TRIED, Losses, losses
from chaosdrill.analysis.write_effects import BALANCE_UNKNOWN, SAME_QUANTITY, TOO_MANY_WRITES, executions

NS = 1_000_000_000
HEADER = {"chaosdrill": "ledger", "version": 1, "base": 4, "reads_back": True, "counts_executions": True}
LABEL = "after-failover"
Row = dict[str, Any]


def write(seq: int, outcome: str = "accepted", digit: int | None = None, account: str = "a") -> Row:
    times = {"due_ns": seq * NS, "ended_ns": seq * NS + 1000}
    named = {"id": None if outcome == "refused" else f"id-{seq}", "digit": seq if digit is None else digit}
    return {"row": "write", "seq": seq, "account": account, "outcome": outcome, **named, **times}


def found(seq: int, state: str, label: str = LABEL) -> Row:
    return {"row": "found", "label": label, "seq": seq, "state": state}


def balance(number: int | None, label: str = LABEL, account: str = "a") -> Row:
    return {"row": "balance", "label": label, "account": account, "balance": number}


def read_back(*rows: Row, label: str = LABEL, converged: bool = True, until: int = 100) -> list[Row]:
    begun = {"row": "read-back-begun", "label": label, "at_ns": until * NS, "writes_until_ns": until * NS}
    ended = {
        "row": "read-back-ended",
        "label": label,
        "at_ns": until * NS,
        "converged": converged,
        "why": "" if converged else "60 s",
    }
    return [begun, *rows, ended]


def judged(*rows: Row, header: Row = HEADER, label: str = LABEL, before: Losses | None = None) -> Losses:
    return losses(ledger_of([header, balance(0, "start"), *rows]), label, before)


def seqs(writes: Any) -> list[int]:
    return [one.seq for one in writes]


def test_a_write_is_lost_when_it_is_missing_never_settled_or_without_effect() -> None:
    states = ["settled", "missing", "pending", "rolled_back", "settled"]
    rows = [found(seq, state) for seq, state in enumerate(states)]
    said = judged(*(write(seq) for seq in range(5)), *read_back(*rows, balance(4**0)))
    assert seqs(said.lost) == [1, 2, 4]  # 4 is settled by its record, but its account never saw it
    assert (said.count.value, said.accepted, said.why_not) == (3, 5, "")
    assert said.seconds.value == pytest.approx(3.0)
    assert said.unsettled == ()


def test_what_was_refused_or_never_answered_is_not_lost() -> None:
    rows = [write(0, "refused"), write(1, "unknown"), write(2, "unknown"), write(3)]
    said = judged(*rows, *read_back(found(1, "missing"), found(2, "settled"), found(3, "settled"), balance(16 + 64)))
    assert (seqs(said.lost), seqs(said.unknown_present), said.resurrected) == ([], [2], ())
    assert said.count.value == 0
    assert said.seconds.value == 0


def test_a_balance_tells_which_write_was_executed_twice() -> None:
    rows = [write(0), write(1), write(2, "refused")]
    said = judged(*rows, *read_back(found(0, "settled"), found(1, "settled"), balance(1 + 2 * 4)))
    assert (seqs(said.duplicated), said.lost, said.resurrected) == ([1], (), ())


@pytest.mark.parametrize(
    ("row", "state", "total"),
    [(write(0, "refused"), None, 1), (write(0), "rolled_back", 1)],
)
def test_a_write_that_should_not_be_there_and_is_was_resurrected(row, state, total):
    said = judged(row, *read_back(*([found(0, state)] if state else []), balance(total)))
    assert seqs(said.resurrected) == [0]


def test_a_write_that_was_lost_after_the_failover_may_come_back_with_the_failback() -> None:
    over = judged(write(0), *read_back(found(0, "missing"), balance(0)))
    assert seqs(over.lost) == [0]
    back = judged(
        write(0), *read_back(found(0, "settled", "back"), balance(1, "back"), label="back"), label="back", before=over
    )
    assert (seqs(back.resurrected), back.lost) == ([0], ())


def test_later_writes_of_an_account_do_not_disturb_earlier_ones() -> None:
    rows = [write(0), write(1), write(120)]
    ledger = [*rows[:2], rows[2] | {"digit": 2}]
    said = judged(*ledger, *read_back(found(0, "settled"), found(1, "settled"), balance(1 + 4 + 16)))
    assert (said.accepted, said.lost, said.why_not_counted) == (2, (), "")


@pytest.mark.parametrize(
    ("rows", "header", "why"),
    [
        ([], HEADER, NOT_TRIED),
        ([write(0)], HEADER, {"read_back": LABEL}),
        ([write(0), *read_back()], HEADER | {"reads_back": False}, NOT_DESCRIBED),
        ([write(0), *read_back(found(0, "missing"), converged=False)], HEADER, {"missing": 1}),
        ([write(0), *read_back(found(0, "missing"))[:-1]], HEADER, {"missing": 1}),
        ([write(0), *read_back(found(0, "unreadable"))], HEADER, {"n": 1}),
        ([write(0), *read_back()], HEADER, {"n": 1}),
        ([write(0, "refused"), *read_back()], HEADER, NOT_ACCEPTED),
    ],
)
def test_where_nobody_looked_it_is_not_measured_and_never_0(rows, header, why):
    said = judged(*rows, header=header)
    assert (said.count.value, said.seconds.value) == (None, None)
    assert said.count.why == said.why_not
    if isinstance(why, dict):
        assert why.items() <= said.why_not.values.items()
    else:
        assert said.why_not == why


def test_no_ledger_is_not_measured() -> None:
    assert losses(None, LABEL).why_not == NOT_RECORDED


def test_pending_writes_are_unsettled_while_the_stores_have_not_converged() -> None:
    said = judged(write(0), write(1), *read_back(found(0, "pending"), found(1, "settled"), converged=False))
    assert (seqs(said.unsettled), said.lost) == ([0], ())


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([balance(None)], BALANCE_UNKNOWN),
        ([balance(5), balance(6)], BALANCE_UNKNOWN),
        ([balance(-1)], {"units": 1}),
        ([balance(4**7)], {"units": 16384}),
    ],
)
def test_a_balance_that_does_not_tell_counts_nothing(more, why):
    said = judged(write(0), *read_back(found(0, "settled"), *more))
    assert (said.duplicated, said.lost) == ((), ())
    reason = said.why_not_counted.values["why"]
    assert said.why_not_counted.values == {"n": 1, "used": 1, "account": "a", "why": reason}
    assert why == (reason.values if isinstance(why, dict) else reason)


def test_accounts_that_were_used_too_often_or_twice_with_one_quantity_count_nothing() -> None:
    twice = judged(write(0), write(1, digit=0), *read_back(found(0, "settled"), found(1, "settled"), balance(2)))
    assert twice.why_not_counted.values["why"] == SAME_QUANTITY
    worn = judged(write(0) | {"digit": None}, *read_back(found(0, "settled"), balance(2)))
    assert worn.why_not_counted.values["why"] == TOO_MANY_WRITES


def test_the_seconds_go_to_the_last_write_that_was_accepted_before_the_cut() -> None:
    rows = [write(seq) for seq in range(6)]
    told = [found(seq, "missing" if seq in (2, 3) else "settled") for seq in range(6)]
    ledger = ledger_of([HEADER, *rows, *read_back(*told)])
    assert losses(ledger, LABEL).seconds.value == pytest.approx(1.0)
    assert losses(ledger, LABEL, cut_ns=5 * NS).seconds.value == pytest.approx(2.0)


BACK = "after-failback"


def two_read_backs(*rows: Row, over: str, back: str, until: int = 50) -> Any:
    """A ledger with a read-back after the failover and one after the failback; ``m`` missing, ``s`` settled.

    ``over`` has the first ``until`` writes.
    """
    told = [found(seq, {"m": "missing", "s": "settled"}[mark]) for seq, mark in enumerate(over)]
    later = [found(seq, {"m": "missing", "s": "settled"}[mark], BACK) for seq, mark in enumerate(back)]
    header = HEADER | {"counts_executions": False}
    return ledger_of([header, *rows, *read_back(*told, until=until), *read_back(*later, label=BACK, until=1000)])


def test_the_seconds_after_the_failback_are_those_lost_since_the_failover() -> None:
    """Not from the failover's first lost write to the failback's cut."""
    ledger = two_read_backs(
        *(write(seq) for seq in range(110)), over="ss" + "m" * 3 + "s" * 45, back="ss" + "m" * 3 + "s" * 105
    )
    over = losses(ledger, LABEL, cut_ns=5 * NS)
    assert (over.seconds.value, over.count.value) == (pytest.approx(2.0), 3)
    back = losses(ledger, BACK, over, cut_ns=109 * NS)
    assert (back.seconds.value, back.count.value) == (0.0, 3)
    assert (seqs(back.before), seqs(back.new), back.count.why.values) == ([2, 3, 4], [], {"n": 3})
    assert back.as_json()["lost_before"] == ["id-2", "id-3", "id-4"]


def test_the_failback_has_its_own_lost_writes_and_their_seconds() -> None:
    ledger = two_read_backs(*(write(seq) for seq in range(110)), over="m" + "s" * 49, back="m" + "s" * 99 + "m" * 10)
    over = losses(ledger, LABEL, cut_ns=NS)
    back = losses(ledger, BACK, over, cut_ns=110 * NS)
    assert (back.seconds.value, seqs(back.new)) == (pytest.approx(9.0), list(range(100, 110)))


def test_two_transitions_before_one_read_back_add_up_and_the_time_between_them_does_not_count() -> None:
    rows = [write(seq) for seq in range(100)]
    told = [found(seq, "missing" if seq in (3, 4, 90, 91) else "settled") for seq in range(100)]
    ledger = ledger_of([HEADER | {"counts_executions": False}, *rows, *read_back(*told)])
    said = losses(ledger, LABEL, cut_ns=93 * NS, earlier_cuts_ns=[6 * NS])
    assert said.seconds.value == pytest.approx(2.0 + 2.0)


@given(
    over=hypothesis.strategies.text("sm", min_size=5, max_size=30),
    more=hypothesis.strategies.text("sm", min_size=1, max_size=30),
    cut=hypothesis.strategies.integers(0, 100),
)
def test_what_the_failover_lost_is_never_part_of_the_failbacks_seconds(over, more, cut):
    count = len(over) + len(more)
    ledger = two_read_backs(*(write(seq) for seq in range(count)), over=over, back=over + more, until=len(over))
    clean = two_read_backs(
        *(write(seq) for seq in range(count)), over=over, back="s" * len(over) + more, until=len(over)
    )
    before = losses(ledger, LABEL)
    mine, alone = (losses(one, BACK, before, cut * NS) for one in (ledger, clean))
    assert mine.seconds.value == alone.seconds.value
    assert len(mine.lost) == len(mine.new) + len(mine.before) == (over + more).count("m")


def test_rows_that_cannot_be_are_told_and_of_two_answers_the_worse_counts() -> None:
    ledger = ledger_of(
        [
            HEADER,
            write(0) | {"outcome": "maybe"},
            write(1),
            {"row": "write", "seq": "x"},
            *read_back(found(1, "settled"), found(1, "missing")),
        ]
    )
    assert len(ledger.problems) == 2
    assert seqs(losses(ledger, LABEL).lost) == [1]


@pytest.mark.parametrize("said", [1, 1.0, "true", "yes", [True], {"converged": True}, None, False, 0])
def test_only_true_itself_says_that_the_stores_had_converged(said):
    *rows, ended = read_back(found(0, "missing"))
    ledger = ledger_of([HEADER, balance(0, "start"), write(0), *rows, ended | {"converged": said}])
    assert ledger.read_backs[LABEL].converged is False
    assert losses(ledger, LABEL).count.value is None


@pytest.mark.parametrize("number", [True, 1.0, "1", None, -1])
@pytest.mark.parametrize("column", ["seq", "due_ns", "ended_ns"])
def test_a_number_of_a_write_that_is_none_makes_no_write(column, number):
    ledger = ledger_of([HEADER, write(0) | {column: number}, write(2)])
    assert (list(ledger.writes), len(ledger.problems)) == ([2], 1)


@pytest.mark.parametrize("number", [True, 1.0, "1"])
def test_a_balance_that_is_no_number_is_not_known(number):
    ledger = ledger_of([HEADER, balance(0, "start"), write(0), *read_back(found(0, "settled"), balance(number))])
    assert ledger.read_backs[LABEL].balances == {}
    assert len(ledger.problems) == 1
    said = losses(ledger, LABEL)
    assert (bool(said.why_not_counted), said.duplicated, said.lost) == (True, (), ())


@pytest.mark.parametrize(
    ("one", "other", "taken", "problems"),
    [
        ("accepted", "accepted", "accepted", 0),
        ("refused", "accepted", "accepted", 1),
        ("unknown", "accepted", "accepted", 1),
        ("accepted", "refused", "accepted", 1),
        ("unknown", "refused", "unknown", 1),
        ("refused", "unknown", "refused", 1),
    ],
)
def test_what_was_accepted_once_is_asked_for_however_else_the_write_stands(one, other, taken, problems):
    ledger = ledger_of([HEADER, write(0, one), write(0, other)])
    assert (ledger.writes[0].outcome, len(ledger.problems)) == (taken, problems)


@pytest.mark.parametrize("start", [0, 1, 7, 1000, -5])
@pytest.mark.parametrize(
    ("rise", "times", "unread"),
    [
        (4**0 + 4**1, {0: 1, 1: 1}, None),
        (3 * 4**0 + 2 * 4**1, {0: 3, 1: 2}, None),
        (0, {0: 0, 1: 0}, None),
        (4**1, {0: 0, 1: 1}, None),
        (4**2, {}, {"units": 4**2}),
        (4**5 + 4**0, {}, {"units": 4**5 + 4**0}),
        (-3, {}, {"units": 3}),
    ],
)
def test_how_often_each_write_was_done_is_what_its_account_rose_by(start, rise, times, unread):
    rows = [HEADER, balance(start, "start"), write(0), write(1), *read_back(balance(start + rise))]
    ledger = ledger_of(rows)
    found = executions(ledger, ledger.read_backs[LABEL])
    assert found.times == times
    assert [dict(one.values) for one in found.unread.values()] == ([unread] if unread else [])


@pytest.mark.parametrize(("writes", "problems"), [(0, 1), (1, 0), (2, 1), (None, 1), (True, 1)])
def test_the_end_of_a_ledger_tells_how_many_writes_it_has(writes, problems):
    ledger = ledger_of([HEADER, write(0), {"row": "end", "writes": writes}])
    assert (ledger.ended, len(ledger.problems)) == (True, problems)


@pytest.mark.parametrize(("rows", "problems", "further"), [(9, 9, ()), (10, 10, ()), (11, 11, (1,)), (500, 11, (490,))])
def test_ten_rows_that_cannot_be_are_told_and_how_many_more_there_are(rows, problems, further):
    told = ledger_of([HEADER, *[{"row": "odd"}] * rows]).problems
    assert (len(told), tuple(one.values["n"] for one in told[10:])) == (problems, further)


@pytest.mark.parametrize(
    ("why", "template", "values"),
    [
        ("after 2.5 s: 3 writes without an end", "after {seconds:g} s: {counts}", {"seconds": 2.5}),
        (
            "after 30 s: 1 writes without an end, 2 balances that change",
            "after {seconds:g} s: {counts}",
            {"seconds": 30},
        ),
        ("nobody answered", None, {}),
        ("after 2.50 s: 3 writes without an end", None, {}),  # not as the heartbeat writes it: kept as it is
        ("", None, {}),
    ],
)
def test_why_a_read_back_did_not_come_to_rest_is_understood_or_kept_as_it_is(why, template, values):
    rows = read_back()
    ended = next(row for row in rows if row["row"] == "read-back-ended")
    ledger = ledger_of([HEADER, *[row for row in rows if row is not ended], ended | {"converged": False, "why": why}])
    (read,) = ledger.read_backs.values()
    assert (read.converged, str(read.why)) == (False, why)
    if template:
        assert (read.why.template, {name: read.why.values[name] for name in values}) == (template, values)


def test_accepted_writes_that_could_not_be_read_are_uncertain_and_no_others() -> None:
    rows = [write(0), write(1), write(2, "refused"), write(3, "unknown"), write(4), write(120)]
    said = judged(*rows, *read_back(found(0, "settled"), found(1, "unreadable"), found(3, "unreadable")))
    assert seqs(said.uncertain) == [1, 4]
    assert said.groups()["uncertain"] == ["id-1", "id-4"]


@pytest.mark.parametrize(
    ("outcome", "polled", "state", "total", "resurrected"),
    [
        ("accepted", "rolled_back", "rolled_back", 0, False),  # it was undone, and is
        ("accepted", "rolled_back", "rolled_back", 1, True),
        ("accepted", "rolled_back", "settled", 0, True),
        ("accepted", "rolled_back", "settled", None, True),  # by its record alone
        ("accepted", "rolled_back", "missing", 0, False),
        ("accepted", "pending", "settled", 1, False),
        ("accepted", "pending", "missing", 0, False),
        ("refused", "pending", "missing", 0, False),
        ("refused", "pending", "settled", 0, True),
        ("refused", "pending", "missing", 1, True),
        ("unknown", "rolled_back", "settled", 1, True),
        ("unknown", "pending", "settled", 1, False),
    ],
)
def test_what_was_refused_or_undone_is_resurrected_by_its_record_or_its_balance(
    outcome, polled, state, total, resurrected
):
    earlier = {"row": "settled", "seq": 0, "state": polled}
    balances = [] if total is None else [balance(total)]
    said = judged(write(0, outcome), earlier, *read_back(found(0, state), *balances))
    assert seqs(said.resurrected) == ([0] if resurrected else [])


@pytest.mark.parametrize(
    ("state", "total", "present"),
    [("settled", 0, True), ("settled", None, True), ("missing", 1, True), ("settled", 1, True), ("missing", 0, False),
     ("unreadable", 1, True), ("unreadable", None, False)],
)  # fmt: skip
def test_an_unanswered_write_is_there_by_its_record_or_its_balance(state, total, present):
    balances = [] if total is None else [balance(total)]
    said = judged(write(0, "unknown"), *read_back(found(0, state), *balances))
    assert seqs(said.unknown_present) == ([0] if present else [])


def test_what_was_accepted_at_the_very_moment_of_a_cut_was_accepted_before_it() -> None:
    rows = [write(seq) for seq in range(20)]
    moment = {row["seq"]: row["ended_ns"] for row in rows}

    def seconds(*lost: int, cut: int, earlier: tuple[int, ...] = ()) -> Any:
        told = [found(seq, "missing" if seq in lost else "settled") for seq in range(20)]
        ledger = ledger_of([HEADER | {"counts_executions": False}, *rows, *read_back(*told)])
        return losses(ledger, LABEL, cut_ns=cut, earlier_cuts_ns=earlier).seconds.value

    assert [seconds(2, cut=moment[5] + off) for off in (-1, 0, 1)] == [2.0, 3.0, 3.0]
    # 3 and 5 were lost by the first of two transitions when 5 was accepted before its cut, else 5 by the second one
    assert [seconds(3, 5, cut=moment[9], earlier=(moment[5] + off,)) for off in (-1, 0)] == [1.0 + 4.0, 2.0]


def test_what_the_application_may_hold_is_left_there() -> None:
    """Refused writes and missing ones are not; a refused one that was executed all the same is."""
    outcomes = {0: "accepted", 1: "refused", 2: "unknown", 3: "accepted", 4: "refused"}
    times = {"due_ns": 1, "ended_ns": 2, "digit": 0, "account": "a"}
    rows = [
        *(
            {"row": "write", "seq": seq, "outcome": outcome, "id": str(seq), **times}
            for seq, outcome in outcomes.items()
        ),
        {"row": "settled", "seq": 0, "id": "0", "state": "pending"},
        {"row": "found", "label": "after", "seq": 0, "id": "0", "state": "settled", "seen_ns": 3},
        {"row": "found", "label": "after", "seq": 3, "id": "3", "state": "missing", "seen_ns": 3},
        {"row": "found", "label": "after", "seq": 4, "id": "4", "state": "settled", "seen_ns": 3},
    ]
    left = {write.seq: state for write, state in ledger_of(rows).left_in_application()}
    assert left == {0: "settled", 2: "unknown", 4: "settled"}
