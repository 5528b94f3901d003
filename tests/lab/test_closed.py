"""A lab of real parts, and who is none of its owner's: another user of the machine, programs on its client host."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_lab import RunningLab, needs

pytestmark = pytest.mark.long

CONNECT = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
socket.socket(socket.AF_UNIX).connect(sys.argv[1])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_does_not_reach_the_control_socket(lab: RunningLab) -> None:
    command = [sys.executable, "-I", "-c", CONNECT, str(lab.home / "lab" / "control.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr


def test_everything_that_it_writes_is_its_owner_s_alone(lab: RunningLab) -> None:
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISSOCK)
    found = {path: path.lstat().st_mode for path in [lab.home / "lab", *(lab.home / "lab").rglob("*")]}
    assert {path.name for path in found} >= {"plan.json", "config", "topology.yaml", "control.sock", "aws.log"}
    assert {str(path) for path, mode in found.items() if any(kind(mode) for kind in kinds) and mode & 0o077} == set()


@needs("aws")
def test_the_profile_s_keys_work_on_both_sides(lab: RunningLab) -> None:
    who = "aws sts get-caller-identity --query Account --output text --profile chaosdrill-lab"
    assert lab.shell(who).stdout.strip() == "123456789012"
    assert lab.on_client(*who.split()).stdout.strip() == "123456789012"


def test_a_command_of_ssm_and_of_the_command_line_see_neither_the_owner_s_files_nor_the_lab_s_keys(
    lab: RunningLab,
) -> None:
    plan = lab.home / "lab" / "plan.json"
    secret = lab.home / "of-the-owner"
    secret.write_text("the owner's secret")
    for path in (plan, secret, Path("/proc/1/root") / secret.relative_to("/"), lab.home / "lab" / "control.sock"):
        ran = lab.call("client.run", command=f"cat {path}", timeout_s=30)
        assert (ran["exit_code"] != 0, ran["stdout"]) == (True, "")
        assert lab.on_client("cat", str(path), check=False).returncode != 0
        assert lab.on_client("sh", "-c", f"cat ../../../../../../../..{path}", check=False).returncode != 0
    ran = lab.call("client.run", command="tc qdisc show", timeout_s=30)
    assert ran["exit_code"] == 0, "what stands in for it may still read the kernel's rules"
