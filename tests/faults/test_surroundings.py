"""Bad surroundings: one clear message before anything is started, and a non-zero exit. And users who are not usual."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chaosdrill.errors import BadInput
from chaosdrill.lab import doctor
from tests.failing import fails_with
from tests.running_lab import CHAOSDRILL, RunningLab
from tests.waiting import LONG_S

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def in_new_user_namespace(prepare: str, command: list[str], home: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command where `prepare` has changed the surroundings, which only this test's own namespaces notice."""
    script = f"{prepare} && exec {shlex.join(command)}"
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script],
        env={**os.environ, "CHAOSDRILL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )


NO_NAMESPACES = "echo 0 > /proc/sys/user/max_user_namespaces"
MASKED_PROC = "mount -t tmpfs none /proc/sys"


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (NO_NAMESPACES, ["refuses user namespaces", "sysctl -w user.max_user_namespaces"]),
        (MASKED_PROC, ["/proc cannot be mounted", "systempaths=unconfined"]),
    ],
)
@pytest.mark.parametrize("command", [["doctor"], ["lab", "up"]])
def test_namespaces_that_cannot_be_had(tmp_path, prepare, said, command):
    refused = in_new_user_namespace(prepare, [*CHAOSDRILL, *command], tmp_path)
    assert refused.returncode == 1
    for words in said:
        assert words in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "lab" / "plan.json").exists()


def test_a_machine_that_is_not_linux(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with fails_with("lab-requirement-missing") as refused:
        doctor.require()
    assert "Darwin" in str(refused.value)


def test_python_too_old(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0, "final", 0))
    with fails_with("lab-requirement-missing") as refused:
        doctor.require()
    assert "Python 3.11" in str(refused.value), "the oldest that will do"


def test_an_extra_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(doctor, "LAB_MODULES", ("moto", "no_such_module"))
    with fails_with("lab-requirement-missing") as refused:
        doctor.require()
    assert "no_such_module" in str(refused.value)


def test_every_trouble_is_reported_at_once(monkeypatch):
    monkeypatch.setattr(doctor, "LAB_MODULES", ("no_such_module",))
    monkeypatch.setenv("CHAOSDRILL_HOME", "/proc/cannot/be/made")
    with pytest.raises(BadInput) as refused:
        doctor.require()
    assert len(refused.value.problems) == 2


def test_a_directory_that_cannot_be_written(tmp_path):
    nowhere = RunningLab(Path("/proc/no"))
    refused = nowhere.run("lab", "up", check=False)
    assert refused.returncode == 1
    assert "set CHAOSDRILL_HOME" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_make_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")  # answers the version check as an old one does
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "-f", str(MAKEFILE), "drill", f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "3.11" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("home", ["", pytest.param("/", marks=pytest.mark.long)], ids=["no HOME", "HOME=/"])
def test_a_user_who_is_not_in_the_password_file(tmp_path, home):
    """As a container's `--user 54321`: not root, no name, no home directory."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("CHAOSDRILL_HOME", "HOME", "XDG_STATE_HOME")}
    environment |= {"TMPDIR": str(temporary)} | ({"HOME": home} if home else {})
    stranger = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "--"]
    if home and os.access(home, os.W_OK):
        environment["XDG_STATE_HOME"] = str(temporary)  # root may write to /, and must not in a test
    script = " && ".join(
        shlex.join([*CHAOSDRILL, "lab", *arguments.split()])
        for arguments in ("up --detach --scale 0.1", "status", "exec -- id -un", "down")
    )
    done = subprocess.run(
        [*stranger, "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=LONG_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready after" in done.stdout
    assert "ec2-user" in done.stdout
