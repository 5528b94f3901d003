"""Fixtures of drills on a lab that stays up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rescue_rig import SCALE, Elsewhere, Start, another_machine, drills_on
from tests.running_lab import RunningLab


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RunningLab]:
    """A lab of the test's own, which stays up while drills come and go."""
    running = RunningLab(tmp_path / "home")
    running.up(SCALE)
    yield running
    running.down()


@pytest.fixture
def start(own_lab: RunningLab, tmp_path: Path) -> Iterator[Start]:
    """Starts a drill, which ends with the test."""
    with drills_on(own_lab, tmp_path) as start:
        yield start


@pytest.fixture
def elsewhere(own_lab: RunningLab, tmp_path: Path) -> Elsewhere:
    """Runs a command as another machine does."""
    return another_machine(own_lab, tmp_path)
