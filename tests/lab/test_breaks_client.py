"""Breaks of the client host: its load generator, its clock, its network; and how breaks are asked for and told."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.lab.plan import HOME
from tests import small_drills
from tests.lab.lying import Looks
from tests.running_lab import RunningLab
from tests.small_drills import do, experiment
from tests.waiting import wait_for

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def module_looks(lab: RunningLab) -> Looks:
    return Looks(lab)


@pytest.fixture
def looks(module_looks: Looks) -> Iterator[Looks]:
    yield module_looks
    module_looks.go_home()


def load_page(looks: Looks) -> dict[str, Any] | None:
    """What Locust's page answers within a second; None when it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{looks.plan.load_port}/stats/requests", timeout=1) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError:
        return None
    return found


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def locusts(looks: Looks) -> dict[int, str]:
    """The lab's Locust processes, as the host sees them, and their states."""
    page = str(looks.lab.home / "lab").encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            if b"locust" in words.split(b"\0") and page in environment:
                found[int(entry.name)] = state_of(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def test_load_stops(looks):
    wait_for(lambda: load_page(looks))
    looks.begin("load-stops", when="now")
    assert load_page(looks) is None
    assert set(locusts(looks).values()) == {"T"}
    assert looks.lab.status()["parts"]["load"]["healthy"]
    looks.mend()
    assert wait_for(lambda: load_page(looks))


def test_load_stops_when_the_database_moves(looks):
    wait_for(lambda: load_page(looks))
    looks.begin("load-stops")
    assert load_page(looks)
    looks.move_writer(looks.plan.standby)
    assert load_page(looks) is None


def test_worker_stops(looks):
    looks.begin("worker-stops", when="now")
    assert sorted(locusts(looks).values()).count("T") == 1
    assert len(locusts(looks)) == 3
    assert wait_for(lambda: load_page(looks))
    looks.mend()
    wait_for(lambda: load_page(looks))
    assert len(locusts(looks)) == 1


def test_clock_off(looks):
    def ahead_s() -> float:
        before = time.time()
        there, nanoseconds = map(
            float, looks.on_client("-c", "import time; print(time.time(), time.time_ns())").split()
        )
        assert abs(nanoseconds / 1e9 - there) < 1
        return there - before

    assert 0 <= ahead_s() < 60
    looks.begin("clock-off", seconds=300)
    assert 300 <= ahead_s() < 360
    [process] = locusts(looks)
    assert str(looks.plan.client_python) in Path(f"/proc/{process}/environ").read_text()
    looks.mend()
    assert 0 <= ahead_s() < 60
    wait_for(lambda: load_page(looks))


RECOVERED = f"""
import socket, time
failed = 0
while True:
    try:
        socket.create_connection(({HOME.load_balancer_addresses[0]!r}, 80), timeout=0.02).close()
        break
    except TimeoutError:
        failed += 1
print(failed, time.time_ns())
"""


def test_outage(looks):
    facts = looks.lab.call("break", name="outage", options={"seconds": 10.0})["facts"]
    failed, recovered_ns = map(int, looks.on_client("-c", RECOVERED).split())
    assert failed > 0
    assert facts["begin_uncertainty_ns"] >= 0
    assert abs(facts["end_ns"] - facts["begin_ns"] - 10e9) < 1
    assert -facts["uncertainty_ns"] <= recovered_ns - facts["end_ns"] < 20e9


def test_what_is_broken_is_shown_and_told_of(looks):
    looks.lab.run("lab", "break", "reads-only")
    refused = looks.lab.run("lab", "break", "reads-only", check=False)
    assert (refused.returncode, "[lab-request-failed]" in refused.stderr) == (1, True), refused.stderr
    assert "reads-only" in refused.stderr
    assert looks.lab.run("lab", "break").stdout.startswith("reads-only: ")
    assert [one["name"] for one in looks.lab.status()["broken"] if one["in_force"]] == ["reads-only"]
    assert ": reads-only\n" in looks.lab.run("lab", "status").stdout
    assert looks.lab.run("lab", "break", "--clear").stdout == "repaired: reads-only\n"
    assert looks.lab.run("lab", "break").stdout == "nothing is broken\n"


def test_a_name_that_is_none_breaks_nothing(lab):
    done = lab.run("lab", "up", "--detach", "--break", "no-such", "--break", "reads-only:when=now", check=False)
    assert done.returncode == 1
    assert all(name in done.stderr for name in ("'no-such'", "reads-only", "'when'"))
    assert not [one for one in lab.status()["broken"] if one["in_force"]]


def test_a_run_on_a_broken_lab_says_so(looks, tmp_path):
    variables = {"CHAOSDRILL_HOME": str(looks.lab.home), "CHAOSDRILL_LAB_BREAK": "stop-flag-ignored:region=standby"}
    ran = small_drills.run(tmp_path, experiment([do("work")]), **variables)
    named = ["stop-flag-ignored:region=standby", "aws dynamodb ignored"]
    assert [row["breaks"] for row in ran.events if row["event"] == "lab-broken"] == [named]
    assert json.loads((ran.run_directory / "summary.json").read_text())["broken"] == named
    assert all(name in ran.last_lines["verdict"] for name in named)


def test_a_run_on_a_lab_that_was_mended_before_says_nothing(looks, tmp_path):
    ran = small_drills.run(tmp_path, experiment([do("work")]), CHAOSDRILL_HOME=str(looks.lab.home))
    assert "lab-broken" not in {row["event"] for row in ran.events}
