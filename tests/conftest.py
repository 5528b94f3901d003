"""What every test may rely on, whoever runs it and from where."""

import gc
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

from tests.further import QUICK, QUICK_EXAMPLES

# how long an example takes says how busy the machine is; and fixtures that examples share are meant to be
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("tests")
settings.register_profile(QUICK, max_examples=QUICK_EXAMPLES)  # the rest as in the profile that is loaded

# Whoever runs the tests in the background, or under nohup, ignores these; so would what the tests start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


# the venv's own programs, such as `aws`, whether or not it is activated
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

# files that use the fixture `lab` of tests/lab and run in `make test`: one of these labs is enough
LAB = ("drill_control", "secrets", "client_activities", "isolation", "packet_loss", "load_resolution", "lab")


# files that take longest in `make test-all`: they begin, so that none of them is left to run alone at the end
LONGEST = (
    "lab/test_aws_calls",
    "lab/test_drill_control",
    "lab/test_drill",
    "lab/test_experiments",
    "kill/test_kill_matrix",
    "faults/test_drill_parts_lost",
    "lab/test_ssm_load",
    "faults/test_drill_killed",
    "lab/test_tutorial",
    "faults/test_drill_interrupted",
    "lab/test_drill_lease",
    "lab/test_other_controls",
    "lab/test_stop_conditions",
    "faults/test_game_days",
    "faults/test_drill_world_changes",
    "faults/test_rescue",
    "contract/test_aws_side_faults",
    "contract/test_ssm_load_faults",
    "contract/test_lab_aws_dynamodb",
    "report/test_accessibility",
    "contract/test_ssm_heartbeat_faults",
    "contract/test_load_slow",
    "report/test_comparison_page",
    "contract/test_settlement_load",
    "contract/test_dead_man",
    "contract/test_lease_race",
    "contract/test_refused_drills",
)
# of these, files whose tests share little: they run in so many groups, and each test by itself where it is 0
GROUPS = {
    "lab/test_experiments": 0,
    "faults/test_drill_parts_lost": 0,
    "faults/test_drill_killed": 0,
    "faults/test_drill_interrupted": 0,
    "faults/test_drill_world_changes": 0,
    "faults/test_rescue": 0,
    "contract/test_aws_side_faults": 5,
    "contract/test_lab_aws_dynamodb": 2,
    "report/test_accessibility": 2,
}


ALL_LONG = re.compile(r"^pytestmark = \[?(\w+, )*pytest\.mark\.long\b", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """A few examples of each property, before the tests are imported."""
    if config.option.markexpr == "not long":
        settings.load_profile(QUICK)


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files whose tests are all long are not even imported where none of them runs."""
    if config.option.markexpr != "not long" or not collection_path.match("test_*.py"):
        return None
    return True if ALL_LONG.search(collection_path.read_text()) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first, the others in their order."""
    if config.option.markexpr.startswith("long"):
        places = {f"tests/{name}.py": number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file run in one process, and those of the files of one lab, too; long ones as ``GROUPS`` says."""
    from xdist.scheduler import LoadFileScheduling

    class FilesOfALab(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if config.option.markexpr != "not long":
                count = GROUPS.get(file.removeprefix("tests/").removesuffix(".py"))
                return nodeid if count == 0 else f"{file} {crc32(nodeid.encode()) % count}" if count else file
            name = file.removeprefix("tests/lab/test_").removesuffix(".py")
            return "lab" if name in LAB else file

    return FilesOfALab(config, log)


HALVES = (("unit", "report"), ("contract", "lab", "faults"))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In a new clone two processes compile the tests, before each of many does it for itself at the same time."""
    config, here = session.config, Path(__file__).parent
    first = not any((here / "unit" / "__pycache__").glob("*-pytest-*.pyc"))
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None) or not first:
        return
    collect = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:xdist", "-p", "no:cacheprovider"]
    compiling = [
        subprocess.Popen([*collect, *(str(here / name) for name in half)], cwd=here.parent, stdout=subprocess.DEVNULL)
        for half in HALVES
    ]
    for one in compiling:
        one.wait()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what is imported: it stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
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
