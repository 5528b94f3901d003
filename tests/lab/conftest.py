"""One lab for the tests of this folder: they leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.running_lab import RunningLab

SCALE = 0.1


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path_factory.mktemp("home"))
    running.up(SCALE)
    yield running
    running.down()
