"""What a drill relies on changes while the standby serves: it ends safe, and says what a person must do."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.rescue_rig import Elsewhere, Start, home_serves_again, moves, nothing_is_owed_at_home
from tests.running_lab import RunningLab, needs
from tests.small_drills import Drill, Ran
from tests.waiting import LONG_S, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SERVICES = ("dynamodb", "stepfunctions", "rds", "ssm", "sts", "fis", "route53-recovery-cluster", "cloudwatch", "elbv2")
LEASE_LOST = '"lease-lost"'


def fail_all(lab: RunningLab, kind: str) -> None:
    """Let every call of the driver fail; the application and its state machines go on."""
    for service in SERVICES:
        lab.run("lab", "break", "aws", service, kind)


def history_of(lab: RunningLab) -> str:
    return "".join(path.read_text() for path in lab.home.glob("runs/*/history.jsonl"))


def events(ran: Ran) -> list[str]:
    return [str(row["event"]) for row in ran.events]


def ended(ran: Ran) -> dict[str, str]:
    return {row["activity"]: row["status"] for row in ran.events if row["event"] == "activity-ended"}


def moved(start: Start, directory: Path, back_within_s: float = 600, **variables: str) -> Drill:
    drill = start(moves(directory, back_within_s=back_within_s), **variables)
    drill.wait_for_step("wait for file")
    return drill


@pytest.mark.parametrize("kind", ["expired", "reset"], ids=["credentials-expired", "aws-out-of-reach"])
def test_without_aws_for_good_it_says_what_is_left_and_a_rescue_undoes_it(
    own_lab: RunningLab, tmp_path: Path, start: Start, elsewhere: Elsewhere, kind: str
) -> None:
    drill = moved(start, tmp_path, back_within_s=20)
    fail_all(own_lab, kind)
    ran = drill.end()
    own_lab.run("lab", "break", "--clear")
    assert "lease-lost" in events(ran), "it did not wait for the file: its lease could not be renewed"
    assert ended(ran)["fail back"] == "failed"
    assert ran.verdict in ("failed", "invalid")
    assert f"chaosdrill rescue {ran.run_directory.name}" in ran.last_lines["in force"]
    home_serves_again(own_lab, elsewhere("rescue", "--yes"), elsewhere)


def test_with_aws_back_soon_the_rollbacks_lead_home(
    own_lab: RunningLab, tmp_path: Path, start: Start, elsewhere: Elsewhere
) -> None:
    drill = moved(start, tmp_path)
    fail_all(own_lab, "reset")
    wait_for(lambda: history_of(own_lab), lambda text: LEASE_LOST in text, "the loss of the lease")
    own_lab.run("lab", "break", "--clear")
    ran = drill.end()
    assert (ended(ran)["fail back"], ran.verdict) == ("succeeded", "invalid")
    nothing_is_owed_at_home(own_lab, elsewhere)


@pytest.fixture
def shift_clock(tmp_path: Path) -> Callable[[int], dict[str, str]]:
    """Shifts the wall clock of the processes that are started with the variables that it returns, by seconds."""
    library, shift = tmp_path / "shifted_clock.so", tmp_path / "shift"
    source = Path(__file__).with_name("shifted_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    shift.write_bytes(struct.pack("l", 0))

    def move(seconds: int) -> dict[str, str]:
        with open(shift, "r+b") as file:
            file.write(struct.pack("l", seconds))
        return {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(shift)}

    return move


@needs("cc")
@pytest.mark.parametrize("jump_s", [100, -100])
def test_a_clock_that_jumps_ends_no_drill(
    own_lab: RunningLab,
    tmp_path: Path,
    start: Start,
    elsewhere: Elsewhere,
    shift_clock: Callable[[int], dict[str, str]],
    jump_s: int,
) -> None:
    drill = moved(start, tmp_path, **shift_clock(0))
    shift_clock(jump_s)
    (tmp_path / "go-on").touch()
    ran = drill.end()
    assert (ended(ran)["wait"], ended(ran)["fail back"]) == ("succeeded", "succeeded")
    assert "lease-lost" not in events(ran)
    seconds = [row["duration_s"] for row in ran.events if "duration_s" in row]
    assert all(0 <= one < LONG_S for one in seconds), seconds
    nothing_is_owed_at_home(own_lab, elsewhere)


@needs("cc")
def test_a_clock_that_aws_does_not_accept_is_as_good_as_no_credentials(
    own_lab: RunningLab,
    tmp_path: Path,
    start: Start,
    elsewhere: Elsewhere,
    shift_clock: Callable[[int], dict[str, str]],
) -> None:
    """Signatures of an hour ago are refused."""
    drill = moved(start, tmp_path, back_within_s=20, **shift_clock(0))
    shift_clock(3600)
    ran = drill.end()
    shift_clock(0)
    assert "lease-lost" in events(ran)
    assert ended(ran)["fail back"] == "failed"
    assert f"chaosdrill rescue {ran.run_directory.name}" in ran.last_lines["in force"]
    home_serves_again(own_lab, elsewhere("rescue", "--yes"), elsewhere)
