"""What every test may rely on, whoever runs it and from where."""

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is; and fixtures that examples share are meant to be
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("tests")

# Whoever runs the tests in the background, or under nohup, ignores these; so would what the tests start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


# files that use the fixture `lab` of tests/lab and run in `make test`: two of these labs are enough
LABS = (
    ("drill_control", "secrets", "lab_break", "packet_loss", "isolation", "load_resolution"),
    ("other_controls", "lab", "client_activities", "database_activities", "local_load"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file run in one process, and those of the files of one lab, too."""
    from xdist.scheduler import LoadFileScheduling

    class FilesOfALab(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if config.option.markexpr != "not long":
                return file
            name = file.removeprefix("tests/lab/test_").removesuffix(".py")
            return next((f"lab {number}" for number, names in enumerate(LABS) if name in names), file)

    return FilesOfALab(config, log)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it stays until the end."""
    _collect()


@pytest.fixture(autouse=True, scope="module")
def nothing_left_open() -> Iterator[None]:
    """Collect what a file's tests have left: a connection that was not closed is an error of theirs, and not of
    whichever test runs when it would have been collected.
    """
    yield
    _collect()


def _collect() -> None:
    gc.collect()
    gc.freeze()  # what is left is in use: going through it again for every file took most of the time


@pytest.fixture
def no_proxy_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of calls that leave the lab's reach: the user's own proxies are not part of them."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
