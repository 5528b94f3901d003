"""A drill that ends while the standby serves, and a rescue from an empty home: after a kill, and after SIGTERM."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from chaosdrill.controls.exit_code import EXIT_CODES
from chaosdrill.history.stop_grace import LEFT_TO_RESCUE, VARIABLE
from tests.faults.rescue_rig import OSAKA, Elsewhere, Start, act, home_serves_again, moves
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def test_after_a_kill_home_serves_again_by_a_rescue_on_another_machine(
    own_lab: RunningLab, tmp_path: Path, start: Start, elsewhere: Elsewhere
) -> None:
    lose = act("lose packets", "inject_packet_loss", sources="home", percent=30, duration_s=3600)
    drill = start(moves(tmp_path, [lose], [act("heal", "heal_packet_loss", undo_of="lose packets")]))
    drill.wait_for_step("do moved")
    drill.signal("SIGKILL")
    assert drill.end().exit_code == -signal.SIGKILL
    before = json.loads(elsewhere("status").stdout)
    assert {one["action"] for one in before["owed"]} == {"inject_packet_loss", "fail_over"}
    assert before["region"]["state"] == f"serving({OSAKA})"
    home_serves_again(own_lab, elsewhere("rescue", "--yes"), elsewhere)
    assert json.loads(elsewhere("rescue", "--yes").stdout)["idle"]


def test_what_sigterm_leaves_no_time_for_is_undone_by_a_rescue_from_a_timer(
    own_lab: RunningLab, tmp_path: Path, start: Start, elsewhere: Elsewhere
) -> None:
    drill = start(moves(tmp_path), **{VARIABLE: "10"})
    drill.wait_for_step("do moved")
    drill.signal("SIGTERM")
    ran = drill.end()
    assert (ran.exit_code, ran.verdict) == (EXIT_CODES["interrupted"], "interrupted"), ran.stderr
    assert LEFT_TO_RESCUE in [row["event"] for row in ran.events]
    assert (ran.run_directory / "report.html").exists()
    before = json.loads(elsewhere("status").stdout)
    assert "fail_over" in {one["action"] for one in before["owed"]}
    assert before["region"]["state"] == f"serving({OSAKA})"
    acted = wait_for(lambda: elsewhere("rescue", "--when-stale"), _has_acted, "the lease's end")
    home_serves_again(own_lab, acted, elsewhere)


def _has_acted(rescue: "subprocess.CompletedProcess[str]") -> bool:
    return bool(rescue.stdout) and not json.loads(rescue.stdout)["idle"]
