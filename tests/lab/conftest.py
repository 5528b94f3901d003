"""One lab for the tests of this folder: they leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.contract.activities_rig import drill
from tests.running_lab import RunningLab

SCALE = 0.1


@pytest.fixture(autouse=True)
def drill_is_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Actions that a test calls itself refuse outside a drill."""
    with drill(tmp_path_factory.mktemp("drill")):
        yield


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path_factory.mktemp("home"))
    running.up(SCALE)
    yield running
    running.down()
