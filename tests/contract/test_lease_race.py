"""Drivers that are stopped while they hold the lease, with clocks that are wrong, change the system in turn only."""

from pathlib import Path

import pytest

from tests.contract.activities_rig import Rig
from tests.lease_race.race import PAUSES, Race

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_the_changes_of_two_runs_do_not_interleave_and_are_repaired(rig: Rig, tmp_path: Path) -> None:
    raced = Race(rig, tmp_path, drivers=6).run(PAUSES)
    checked = raced.checked
    assert checked.violations == ()
    assert raced.pauses == dict.fromkeys(PAUSES, 1)
    assert len(checked.take_overs) >= 1, "one was stopped until it was taken over"
    assert raced.events["refused"] >= 1, "it went on, and its next change was not sent"
    assert checked.changes >= len(PAUSES)
    assert (raced.is_enabled, raced.open) == (True, ()), "it is as it was, and nothing is owed"
    assert raced.events["ended"] == 6


def test_the_checker_finds_what_happens_without_the_lease_guard(rig: Rig, tmp_path: Path) -> None:
    raced = Race(rig, tmp_path, drivers=3, options=["--unguarded"]).run(["taken-over"])
    late = [one for one in raced.checked.violations if one.kind == "after-take-over"]
    assert late, "the driver that went on changed what another one had taken over"
    assert all(one.by_s > 0 for one in late)
