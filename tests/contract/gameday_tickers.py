"""Sixteen tickers on one ledger at once, killed at random.

``python -m tests.contract.gameday_tickers PLACE SEED [TOPOLOGY]``

Each ticker is a process of its own. The clock is that of the race: it stands still while the tickers of a round tick.
What a ticker starts leaves a file; half of the drills end at once, as ``passed``, the others never begin. It prints
what was started and what the ledger has, as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.coordination.store import ItemStore
from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence, Schedule, Window
from chaosdrill.gamedays.decisions import HOUR_MS, MINUTE_MS
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.stores import store_of
from chaosdrill.gamedays.tick import tick

TICKERS, ROUNDS, GAME_DAYS = 16, 6, 2
STEP_MS = 5 * MINUTE_MS
T0 = 1_799_600_400_000  # 2027-01-10T17:00Z
LEDGER = "ledger.sqlite"


class Clocked:
    """A store whose time the race sets."""

    def __init__(self, store: ItemStore, time_ms: int) -> None:
        self._store, self._time_ms = store, time_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __str__(self) -> str:
        return str(self._store)

    def now_ms(self) -> int:
        return self._time_ms


def planned() -> list[int]:
    """The instants of each game day: one in each round but the first."""
    return [T0 + number * STEP_MS for number in range(1, ROUNDS)]


def calendar_of(place: Path, topology: Path | None) -> Calendar:
    """Game days of different systems, whose occurrences are due at the same instants."""
    times = tuple(datetime.fromtimestamp(one / 1000, UTC).replace(tzinfo=None) for one in planned())
    days = {}
    for number in range(GAME_DAYS):
        name = f"day-{place.name}-{number}"
        (place / f"{name}.yaml").touch()
        days[name] = GameDay(
            id=name,
            name=name,
            owner="sre",
            experiment=place / f"{name}.yaml",
            topology=place / f"{name}.yaml",
            schedule=Schedule(ZoneInfo("UTC"), times=times),
            window=Window(time_of_day(0), time_of_day(0)),
            worst_case_min=30.0,
        )
    return Calendar(place / "gamedays.yaml", days, ledger=topology)


class Race:
    """The race over one ledger."""

    def __init__(self, place: Path, seed: int, topology: Path | None) -> None:
        self._place, self._random = place, random.Random(seed)
        self._calendar = calendar_of(place, topology)
        self.killed = 0

    def run(self) -> dict[str, Any]:
        """Let the tickers race, and read what became of each occurrence."""
        longest_s = self._round(T0, 0.0)
        for number in range(1, ROUNDS):
            self._round(T0 + number * STEP_MS, longest_s)
        for number in range(3):
            self._ended([self._forked(T0 + HOUR_MS + number * MINUTE_MS)])
        found = self._place / "found.json"
        self._ended([_fork(lambda: found.write_text(json.dumps(self._outcomes())))])
        started = [path.name.rpartition(".")[0] for path in (self._place / "started").iterdir()]
        return {"outcomes": json.loads(found.read_text()), "started": started, "killed": self.killed}

    def _round(self, time_ms: int, killed_within_s: float) -> float:
        """Let all tickers tick at once, and kill half of them.

        :returns: how long it took, in seconds.
        """
        began_s = time.monotonic()
        tickers = [self._forked(time_ms) for _ in range(TICKERS)]
        if killed_within_s:
            for ticker in self._random.sample(tickers, TICKERS // 2):
                time.sleep(self._random.uniform(0, killed_within_s / TICKERS))
                os.kill(ticker, signal.SIGKILL)
        self._ended(tickers)
        return time.monotonic() - began_s

    def _forked(self, time_ms: int) -> int:
        ends_drill = self._random.random() < 0.5
        return _fork(lambda: tick(self._calendar, self._store(time_ms), start=self._starts(time_ms, ends_drill)))

    def _ended(self, processes: list[int]) -> None:
        for process in processes:
            _, status = os.waitpid(process, 0)
            self.killed += os.WIFSIGNALED(status)
            assert os.WIFSIGNALED(status) or status == 0, status

    def _store(self, time_ms: int) -> ItemStore:
        if self._calendar.ledger is None:
            SqliteStore.synchronous = "OFF"  # a process that is killed loses nothing by that
            return Clocked(SqliteStore(self._place / LEDGER), time_ms)
        return Clocked(store_of(self._calendar), time_ms)

    def _starts(self, time_ms: int, ends_drill: bool) -> Callable[[Calendar, Occurrence, str], None]:
        def start(_: Calendar, occurrence: Occurrence, token: str) -> None:
            (self._place / "started" / f"{occurrence.key}.{os.getpid()}").touch(exist_ok=False)
            if ends_drill:
                ledger = Ledger(self._store(time_ms))
                ledger.begin(occurrence, token, this_process())
                record = ledger.entry(occurrence)
                assert record is not None
                ledger.finish(replace(record.entry, outcome="ran", verdict="passed"), token)

        return start

    def _outcomes(self) -> dict[str, str]:
        ledger = Ledger(self._store(T0 + 2 * HOUR_MS))
        entries = [ledger.entries(one, T0 - HOUR_MS, T0 + 2 * HOUR_MS) for one in self._calendar.game_days]
        return {one.key: record.entry.outcome for found in entries for one, record in found.items()}


def _fork(work: Callable[[], object]) -> int:
    """Do some work in a process of its own, which ends without the ways of this one's end."""
    if process := os.fork():
        return process
    code = 1
    try:
        work()
        code = 0
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _place = Path(sys.argv[1])
    (_place / "started").mkdir()
    _topology = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    print(json.dumps(Race(_place, int(sys.argv[2]), _topology).run()))
