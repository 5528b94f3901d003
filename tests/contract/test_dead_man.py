"""`rescue --when-stale` from a timer: a driver that dies is replaced, and one that is slow never is."""

from pathlib import Path
from random import Random

import pytest

from tests.contract.activities_rig import Rig
from tests.lease_race.dead_man import DEATHS, NEAR_S, STEP_S, DeadMan, Death
from tests.lease_race.race import LEASE_S

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

HEALTHY = 4


@pytest.mark.parametrize("death", DEATHS)
def test_home_serves_again_after_the_driver_died(rig: Rig, tmp_path: Path, death: Death) -> None:
    found = DeadMan(rig, tmp_path)
    died = found.dies(death)
    assert (died.is_home, died.open) == (True, ()), died
    # one that has ended (also after it was cut off for half its lease) provably sends nothing more
    waits_s = LEASE_S + found.attempt_s if death == "stopped" else LEASE_S
    assert died.times.taken_s >= waits_s
    # the first rescue that began after the end of the lease acted
    assert died.times.idle_s is None or died.times.idle_s <= LEASE_S + 2 * STEP_S
    said = {line["event"]: line.get("code") for line in died.lines}
    if death == "stopped":
        assert said["change-failed"] == "lease-ended", "it went on, and changed nothing"
    if death == "cut off from the table":
        assert "undo-made" in said, "the driver itself brought home back"
        assert died.times.serves_s < died.times.taken_s
    else:
        assert died.times.serves_s >= died.times.taken_s


def test_drivers_that_are_slow_are_never_rescued(rig: Rig, tmp_path: Path) -> None:
    found = DeadMan(rig, tmp_path)
    healthy = [one for one in found.stall(HEALTHY, Random(14)) if one.gap_s < found.bound_s - NEAR_S]
    assert [one for one in healthy if one.is_rescued or not one.is_done] == []
