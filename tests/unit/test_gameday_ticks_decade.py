"""A decade of ticks that are late, double, missed and killed, with pauses: each occurrence has the outcome it should.

Planned instants and what forbids a drill are those of the slow oracle. Ticks with a wrong clock are in
``test_gamedays_decisions.py``.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path

import pytest

from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence, Window
from chaosdrill.gamedays.decisions import Snapshot, decide
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import Pause, Plan, Record
from chaosdrill.gamedays.tick_inputs import rules_of
from tests import gameday_oracle as oracle
from tests.unit.test_gameday_decade import BLACKOUTS, FIRST, FROZEN, LONG_REVIEWED, calendar, game_days, ms

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
GRACE = 10 * MINUTE  # by which an occurrence that is on time may begin late
RECENT_MS = 40 * 24 * 3600 * 1000


@dataclass
class Ledger:
    """A ledger as ticks change it: what has an entry keeps it."""

    plans: dict[str, Plan] = field(default_factory=dict)
    entries: dict[Occurrence, Entry] = field(default_factory=dict)

    def snapshot(self, now_ms: int, pauses: Mapping[str, Sequence[Pause]]) -> Snapshot:
        recent = {one: Record(entry) for one, entry in self.entries.items() if one.planned_ms > now_ms - RECENT_MS}
        return Snapshot(now_ms, dict(self.plans), recent, pauses)

    def tick(self, days: Calendar, snapshot: Snapshot, is_killed: bool) -> None:
        decided = decide(days, snapshot, rules_of(days))
        for entry in decided.records:
            self.entries.setdefault(entry.occurrence, replace(entry, at_ms=snapshot.now_ms))
        for one in decided.begins:
            began = Entry(one, "ran", verdict="passed", at_ms=snapshot.now_ms, began_ms=snapshot.now_ms)
            self.entries.setdefault(one, began)
        if not is_killed:
            self.plans = dict(decided.plans)


def days_of(seed: int, number: int) -> Iterator[GameDay]:
    """Game days of which half have a window of a whole day, so that many occurrences run."""
    for count, one in enumerate(game_days(seed, number)):
        window = Window(time(18), time(18)) if count % 2 else one.window
        late_h = (0.0, 1.0, 4.0)[count % 3]
        blackouts = one.blackouts[: count % 3]
        yield replace(
            one, window=window, run_missed_within_h=late_h, blackouts=blackouts, topology=Path(f"{count}.yaml")
        )


def ticks_of(planned: Sequence[datetime], last: datetime, seed: int) -> list[datetime]:
    """Ticks around planned instants, on time, a little late or hours late, some twice, and one each third day."""
    chosen, begin = random.Random(seed), datetime.combine(FIRST, time())
    ticks = [begin + number * DAY for number in range(0, (last - begin).days, 3)]
    for at in planned:
        late = chosen.choice([0, 20, 59, 600, 660, 1800, 3 * 3600, 5 * 3600])
        if chosen.random() < 0.8:
            ticks += [at + timedelta(seconds=late)] * chosen.choice([1, 1, 2])
        if chosen.random() < 0.5:
            ticks.append(at - MINUTE)
    return sorted(one for one in ticks if begin <= one <= last)


def pauses_of(game_day: GameDay, days: int, seed: int) -> list[Pause]:
    chosen = random.Random(f"{seed} {game_day.id}")
    begins = [ms(datetime.combine(FIRST + chosen.randrange(days) * DAY, time(12))) for _ in range(1 + days // 200)]
    return [Pause(one, one + chosen.randrange(1, 30) * 24 * 3600 * 1000) for one in begins]


def outcomes(
    game_day: GameDay, planned: Sequence[datetime], ticks: Sequence[datetime], pauses: Sequence[Pause]
) -> dict[int, tuple[str, int]]:
    """What becomes of each occurrence, and at which tick, both in milliseconds since 1970, as the oracle has it."""

    @cache
    def refused(at: datetime) -> bool:
        return bool(oracle.refusals(game_day, BLACKOUTS, FROZEN, LONG_REVIEWED, at))

    found: dict[datetime, tuple[str, int]] = {}
    latest_start = max(GRACE, timedelta(hours=game_day.run_missed_within_h))
    open_: list[datetime] = []
    coming = [one for one in planned if one >= ticks[0]]
    for tick in ticks:
        while coming and coming[0] <= tick:
            open_.append(coming.pop(0))
        for at in list(open_):
            start = max(at, tick.replace(second=0))
            if any(one.from_ms <= ms(at) < one.until_ms for one in pauses) or refused(at):
                found[at] = ("skipped", ms(tick))
            elif start > at + latest_start or at != open_[-1]:
                found[at] = ("missed", ms(tick))
            elif not refused(start):
                found[at] = ("ran", ms(tick))
        open_ = [one for one in open_ if one not in found]
    return {ms(at): outcome for at, outcome in found.items()}


def check(seed: int, number: int, days: int) -> None:
    chosen = random.Random(seed)
    all_days = {one.id: one for one in days_of(seed, number)}
    shared = replace(calendar(LONG_REVIEWED), game_days=all_days)
    last = FIRST + (days - 1) * DAY
    planned = {one.id: oracle.planned(one, FIRST - DAY, last + DAY) for one in all_days.values()}
    everything = sorted(at for one in planned.values() for at in one)
    ticks = ticks_of(everything, datetime.combine(last, time()), seed)
    pauses = {one.id: pauses_of(one, days, seed) for one in all_days.values()}
    ledger, before = Ledger(), None
    for tick in ticks:
        is_double = before is not None and before.now_ms == ms(tick)
        # of two ticks at once the second has read what the first had not written yet
        snapshot = before if before is not None and is_double else ledger.snapshot(ms(tick), pauses)
        ledger.tick(shared, snapshot, is_killed=before is not None and chosen.random() < 0.1)
        before = snapshot
    for one in all_days.values():
        expected = outcomes(one, planned[one.id], ticks, pauses[one.id])
        entries = [entry for entry in ledger.entries.values() if entry.occurrence.game_day == one.id]
        found = {entry.occurrence.planned_ms: (entry.outcome, entry.at_ms) for entry in entries}
        different = {
            f"{datetime.fromtimestamp(at / 1000, UTC)}": (found.get(at), expected.get(at))
            for at in found.keys() | expected.keys()
            if found.get(at) != expected.get(at)
        }
        assert different == {}, one
    assert {entry.outcome for entry in ledger.entries.values()} == {"ran", "skipped", "missed"}


def test_a_quarter_of_ticks_gives_each_occurrence_its_outcome() -> None:
    check(3, 6, 90)


@pytest.mark.long
def test_a_decade_of_ticks_gives_each_occurrence_its_outcome() -> None:
    check(5, 8, 3653)
