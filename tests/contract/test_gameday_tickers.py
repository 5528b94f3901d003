"""Sixteen tickers at once, killed at random: no occurrence is started twice, and none is lost."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from chaosdrill.gamedays.calendar import Occurrence
from tests.contract import gameday_tickers
from tests.contract.gameday_tickers import calendar_of, planned
from tests.contract.lab_aws import LabAws
from tests.small_drills import REPOSITORY
from tests.waiting import LONG_S


def race(place: Path, seed: int, topology: Path | None = None) -> None:
    """Let the tickers race, and check what became of each occurrence."""
    words = [str(place), str(seed), *([str(topology)] if topology else [])]
    command = [sys.executable, "-W", "ignore", "-m", gameday_tickers.__name__, *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "CHAOSDRILL_HOME": str(place / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3 * LONG_S, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    found = json.loads(done.stdout)
    started, outcomes, shown = Counter(found["started"]), found["outcomes"], f"seed {seed}: {found}"
    keys = {Occurrence(day, instant).key for day in calendar_of(place, None).game_days for instant in planned()}
    assert max(started.values()) == 1, shown
    assert set(outcomes) == keys, shown
    for key, outcome in outcomes.items():
        assert outcome in (("ran", "died") if key in started else ("missed", "died")), shown
    assert found["killed"], "the race is one with kills"
    assert Counter(outcomes.values())["missed"] < len(keys), shown


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory whose name no other test has: the table is shared."""
    made = tmp_path / f"race-{time.monotonic_ns()}"
    made.mkdir()
    return made


def test_no_occurrence_is_started_twice_or_lost_in_a_file(place: Path) -> None:
    race(place, int(time.time()))


@pytest.mark.long
def test_no_occurrence_is_started_twice_or_lost_in_a_table(place: Path, aws_session: LabAws) -> None:
    race(place, int(time.time()), aws_session.plan.topology_file)
