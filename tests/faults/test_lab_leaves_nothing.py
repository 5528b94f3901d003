"""However a lab ends, nothing stays: no process, namespace, shared memory, mount, or file outside its directory."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.leftovers import traces, wait_until_nothing_is_left
from tests.running_lab import RunningLab
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

SEED = int(os.environ.get("CHAOSDRILL_TEST_SEED", "0")) or random.randrange(10**6)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> RunningLab:
    return RunningLab(tmp_path_factory.mktemp("home"))


def outermost(lab: RunningLab) -> int:
    return int((lab.home / "lab" / "outer.pid").read_text())


def first_inside(lab: RunningLab) -> int:
    return int(Path(f"/proc/{outermost(lab)}/task/{outermost(lab)}/children").read_text().split()[0])


# each victim once in `make test`, and once more in `make test-all`
@pytest.mark.parametrize("number", range(6))
def test_killed_at_a_random_moment(lab: RunningLab, number: int) -> None:
    before = traces(lab.home)
    (lab.home / "lab" / "outer.pid").unlink(missing_ok=True)  # the last one's number may be somebody else's by now
    moment_s = random.Random(SEED + number).uniform(0.1, 5)
    victim = ("starter", "outermost", "first-inside")[number % 3]
    starter = lab.start("lab", "up", "--scale", "0.1")
    try:
        time.sleep(moment_s)  # the moment is the test's input, not something to wait for
        if victim == "starter" or not (lab.home / "lab" / "outer.pid").exists():
            os.kill(starter.pid, signal.SIGKILL)
        else:
            os.kill(outermost(lab) if victim == "outermost" else first_inside(lab), signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError, IndexError):
        os.kill(starter.pid, signal.SIGKILL)  # the moment was before there was anything else to kill
    starter.communicate(timeout=LONG_S)
    wait_until_nothing_is_left(lab.home, before)
    print(f"seed {SEED + number}: {victim} killed after {moment_s:.2f} s")


def test_a_lab_starts_over_what_dead_ones_left(lab: RunningLab) -> None:
    before = traces(lab.home)
    lab.up(0.1)
    os.kill(first_inside(lab), signal.SIGKILL)
    wait_until_nothing_is_left(lab.home, before)
    assert (lab.home / "lab" / "control.sock").exists(), "this test needs the leftovers that it is about"
    for city in ("tokyo", "osaka"):  # as a lab would leave them whose data were not in memory: pid 1 is alive inside
        (lab.home / "lab" / "data" / f"database-{city}").mkdir()
        (lab.home / "lab" / "data" / f"database-{city}" / "postmaster.pid").write_text("1\n")
    lab.up(0.1)
    assert lab.status()["ready"]
    lab.down()
    wait_until_nothing_is_left(lab.home, before)


def test_files_stay_in_its_directory(lab: RunningLab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    lab.environment["TMPDIR"] = str(elsewhere)
    lab.up(0.1)
    lab.on_client("sh", "-c", "mktemp -u > /dev/null")
    lab.down()
    assert list(elsewhere.iterdir()) == []
