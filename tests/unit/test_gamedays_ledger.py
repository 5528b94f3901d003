"""The ledger of game days: one claim for each occurrence, and outcomes that stay."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.items import ItemWrite, equals
from chaosdrill.coordination.sqlite import SqliteStore as DurableStore
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays.calendar import Occurrence
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import ALL, Ledger, Pause, Plan, months
from tests.failing import fails_with

AT_MS = 1_799_600_400_000  # 2027-01-10T17:00Z
OCCURRENCE = Occurrence("monthly", AT_MS)
CLAIMED = Entry(OCCURRENCE, "claimed", digest="d", began_ms=AT_MS)


class SqliteStore(DurableStore):
    """A store that does not wait for the disk."""

    synchronous = "OFF"


class LosesAnswers(SqliteStore):
    """A store whose writes fail with no response: after they were made, or before."""

    is_made = True

    def transact(self, writes: Sequence[ItemWrite]) -> None:
        if self.is_made:
            super().transact(writes)
        raise CannotSee("no response", code="coordination-unreachable")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(SqliteStore(tmp_path / "ledger.sqlite"))


def test_an_occurrence_is_claimed_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: ledger.claim(CLAIMED), range(8)))
    (token,) = filter(None, tokens)
    record = ledger.entry(OCCURRENCE)
    assert record is not None
    assert record.is_open
    assert record.token == token
    assert not ledger.record(Entry(OCCURRENCE, "skipped", "blackout")), "nor is another outcome recorded"


@pytest.mark.parametrize("is_made", [True, False])
def test_a_claim_whose_response_was_lost_counts_when_it_was_made(tmp_path: Path, is_made: bool) -> None:
    store = LosesAnswers(tmp_path / "ledger.sqlite")
    store.is_made = is_made
    if is_made:
        assert Ledger(store).claim(CLAIMED)
    else:
        with fails_with("coordination-unreachable"):
            Ledger(store).claim(CLAIMED)


def test_a_claim_needs_what_is_written_with_it(ledger: Ledger, tmp_path: Path) -> None:
    revoked = ItemWrite(("approval", "1"), {"state": "started"}, when=((equals("state", "approved"),),))
    assert not ledger.claim(CLAIMED, also=[revoked])
    assert ledger.entry(OCCURRENCE) is None
    SqliteStore(tmp_path / "ledger.sqlite").update(ItemWrite(revoked.key, {"state": "approved"}))
    assert ledger.claim(CLAIMED, also=[revoked])


def test_one_process_runs_the_drill_of_a_claim_and_records_how_it_ended(ledger: Ledger) -> None:
    token = ledger.claim(CLAIMED)
    assert ledger.begin(OCCURRENCE, token, this_process())
    assert not ledger.begin(OCCURRENCE, token, replace(this_process(), pid=1)), "a launch that is repeated"
    assert not ledger.begin(OCCURRENCE, "another", this_process())
    assert ledger.renew(replace(CLAIMED, run="r1"), token)
    record = ledger.entry(OCCURRENCE)
    assert record is not None
    assert (record.entry.run, record.holder) == ("r1", this_process())
    ended = replace(CLAIMED, outcome="ran", run="r1", verdict="passed")
    assert not ledger.finish(ended, "another")
    assert ledger.finish(ended, token)
    assert not ledger.finish(replace(ended, verdict="failed"), token), "an outcome stays"
    assert not ledger.renew(CLAIMED, token)
    record = ledger.entry(OCCURRENCE)
    assert record is not None
    assert replace(record.entry, at_ms=0) == ended
    assert record.entry.at_ms > 0


def test_a_process_that_was_heard_of_meanwhile_is_not_dead(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    token = ledger.claim(CLAIMED)
    record = ledger.entry(OCCURRENCE)
    assert record is not None
    later = ledger.now_ms() + 60_000
    monkeypatch.setattr(Ledger, "now_ms", lambda _: later)
    ledger.renew(CLAIMED, token)
    died = replace(CLAIMED, outcome="died")
    assert not ledger.end_dead(died, record)
    again = ledger.entry(OCCURRENCE)
    assert again is not None
    assert ledger.end_dead(died, again)


def test_a_drill_that_was_taken_for_dead_and_was_not_records_its_verdict(ledger: Ledger) -> None:
    token = ledger.claim(CLAIMED)
    record = ledger.entry(OCCURRENCE)
    assert record is not None
    assert ledger.end_dead(replace(CLAIMED, outcome="died"), record)
    assert ledger.finish(replace(CLAIMED, outcome="ran", verdict="passed"), token)


def test_entries_are_read_by_the_month_and_in_order(ledger: Ledger) -> None:
    day = 86_400_000
    planned = [AT_MS + days * day for days in (0, 10, 21, 22, 50)]
    for instant in reversed(planned):
        ledger.record(Entry(Occurrence("monthly", instant), "missed"))
        ledger.record(Entry(Occurrence("other", instant), "missed"))
    found = ledger.entries("monthly", planned[1], planned[4])
    assert [one.planned_ms for one in found] == planned[1:4]


@pytest.mark.parametrize(
    ("to_ms", "expected"), [(AT_MS, ["2027-01"]), (AT_MS + 30 * 86_400_000, ["2027-01", "2027-02"])]
)
def test_the_months_of_a_time(to_ms: int, expected: list[str]) -> None:
    assert list(months(AT_MS, to_ms)) == expected


def test_of_two_ticks_that_write_a_plan_one_counts(ledger: Ledger) -> None:
    plan = Plan("{}", AT_MS, AT_MS, AT_MS)
    assert ledger.plan("monthly") is None
    assert ledger.put_plan("monthly", plan)
    assert not ledger.put_plan("monthly", replace(plan, seen_ms=AT_MS + 1)), "it was written since it was read"
    read = ledger.plan("monthly")
    assert read == replace(plan, version=1)
    assert ledger.put_plan("monthly", replace(read, seen_ms=AT_MS + 1))


def test_a_pause_is_of_one_game_day_or_of_all(ledger: Ledger) -> None:
    ledger.pause("monthly", Pause(1, 10, "me", "a release"))
    ledger.pause(ALL, Pause(5, 20))
    assert ledger.pauses("other") == (Pause(5, 20),)
    assert [one.covers(10) for one in ledger.pauses("monthly")] == [False, True]
    assert ledger.own_pause("monthly") == Pause(1, 10, "me", "a release")


def _broken(store: SqliteStore, **sets: Any) -> None:
    store.update(ItemWrite(("gameday#monthly#2027-01", "occurrence#2027-01-10T17:00Z"), sets))


@pytest.mark.parametrize(
    ("sets", "code"), [({"entry": "{"}, "coordination-invalid"), ({"schema": 2}, "coordination-newer")]
)
def test_an_entry_that_cannot_be_read_is_an_error(
    ledger: Ledger, tmp_path: Path, sets: dict[str, Any], code: str
) -> None:
    ledger.claim(CLAIMED)
    _broken(SqliteStore(tmp_path / "ledger.sqlite"), **sets)
    reads: list[Callable[[], Any]] = [
        lambda: ledger.entry(OCCURRENCE),
        lambda: ledger.entries("monthly", AT_MS, AT_MS + 1),
    ]
    for read in reads:
        with fails_with(code):
            read()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    ledger = Ledger(SqliteStore(tmp_path / "none" / "ledger.sqlite"))
    assert ledger.entry(OCCURRENCE) is None
    assert ledger.entries("monthly", AT_MS, AT_MS + 1) == {}
    assert not (tmp_path / "none").exists()
