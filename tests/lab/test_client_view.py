"""What programs on the client host see of the machine: attacks on the mount namespace, without the rest of a lab."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.lab.namespaces import new_namespaces_command
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
# makes a view as the lab's first process does, and runs each command of the standard input's JSON in it
PROGRAM = """
import json, os, subprocess, sys
from functools import partial
from pathlib import Path
from chaosdrill.lab import client_view, namespaces
from chaosdrill.lab.environment import client_environment
from chaosdrill.lab.plan import LabPlan

plan = LabPlan(Path(sys.argv[1]), 1, 1, 2, 3)
namespaces.furnish(plan.directory / "etc", plan.services_address)
network_fd = namespaces.new_network_namespace()
view_fd = client_view.build(plan, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
enter = partial(namespaces.enter_for_good, network_fd, view_fd, str(plan.directory / "home"))
found = []
for command in json.load(sys.stdin):
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=client_environment(plan), preexec_fn=enter, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )
    found.append([done.returncode, done.stdout + done.stderr])
print(json.dumps(found))
"""


class Machine:
    """A user's home with what a stranger wants, and a lab's directory in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lab = home / "state" / "lab"
        self.lab.mkdir(parents=True)
        self.secret = home / ".aws" / "credentials"
        self.secret.parent.mkdir()
        self.secret.write_text("owners-secret\n")
        self.run_of_before = home / "state" / "runs" / "history.jsonl"
        self.run_of_before.parent.mkdir()
        self.run_of_before.write_text("the owner's run\n")
        (self.lab / "plan.json").write_text("the lab's token\n")

    def on_client(self, *commands: str, locustfile: Path | None = None, **environment: str) -> list[tuple[int, str]]:
        """:returns: exit code and output of each command."""
        package = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [*new_namespaces_command(), sys.executable, "-c", PROGRAM, self.lab, *([locustfile] if locustfile else [])],
            input=json.dumps(commands),
            env={**os.environ, "HOME": str(self.home), "PYTHONPATH": package, **environment},
            capture_output=True,
            text=True,
            timeout=LONG_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [(code, text) for code, text in json.loads(done.stdout)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "owner")


def test_the_owner_s_files_are_not_there(machine: Machine) -> None:
    paths = [machine.secret, machine.run_of_before, machine.lab / "plan.json", machine.lab / "control.sock"]
    paths += [Path("/etc/shadow"), Path("/etc/ssl/private"), Path("/run/user"), Path("/var/lib"), Path("/mnt")]
    found = machine.on_client(*(f"ls {path}" for path in paths), f"ls -A {machine.home} /run")
    assert [code for code, _ in found[:-1]] == [2] * len(paths)
    assert found[-1][1].split() == ["/run:", f"{machine.home}:", "state"], "what leads to the lab's own"


@pytest.mark.parametrize(
    "way",
    [
        "cat /proc/1/root{secret}",
        "for one in /proc/[0-9]*; do cat $one/root{secret} && exit; done; exit 1",
        "cd ..; cd ../../../../../../../..; cat ./{secret}",
        "umount /tmp; umount -l /; cat {secret}",
        "unshare --user --map-root-user --mount sh -c 'umount -l / ; umount /proc; cat {secret} /proc/1/root{secret}'",
        "nsenter --target 1 --mount cat {secret}",
        "for fd in /proc/self/fd/*; do cat $fd/../../../../../../../../..{secret} && exit; done; exit 1",
        f"{sys.executable} -c \"import os; os.chroot('.')\" && cat {{secret}}",
    ],
)
def test_no_way_leads_out(machine: Machine, way: str) -> None:
    ((code, text),) = machine.on_client(way.format(secret=machine.secret))
    assert (code != 0, "owners-secret" in text) == (True, False), text


def test_nothing_of_the_machine_can_be_written(machine: Machine) -> None:
    package = ROOT / "chaosdrill" / "planted.py"
    places = ["/usr/planted", "/planted", str(Path(sys.prefix, "bin", "planted")), str(package), "/etc/hosts"]
    places += ["/proc/sys/vm/swappiness", "/proc/sysrq-trigger", str(machine.lab / "programs" / "tc")]
    found = machine.on_client(*(f"echo 1 >> {place}" for place in places), "echo 1 > ~/mine && echo 1 > /tmp/mine")
    assert [code != 0 for code, _ in found] == [True] * len(places) + [False]
    assert not package.exists()


def test_only_capabilities_over_the_network_are_left(machine: Machine) -> None:
    ((_, text),) = machine.on_client("grep -E '^Cap|NoNewPrivs' /proc/self/status")
    found = dict(line.split(":\t") for line in text.splitlines())
    network = f"{1 << 10 | 1 << 12 | 1 << 13:016x}"
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {network}
    assert found["NoNewPrivs"] == "1"


def test_of_the_environment_what_is_on_the_list_is_there(machine: Machine) -> None:
    planted = {"BANK_PIN": "4711", "SSH_AUTH_SOCK": "/run/agent", "GITHUB_TOKEN": "t", "AWS_SESSION_TOKEN": "s"}
    ((_, text),) = machine.on_client("env", **planted, LANG="ja_JP.UTF-8", LD_PRELOAD="")
    found = dict(line.split("=", 1) for line in text.splitlines())
    assert not set(planted) & set(found)
    assert found["LANG"] == "ja_JP.UTF-8"
    assert str(machine.home / "bin") not in found["PATH"]


def test_a_python_whose_environment_is_in_the_home_works_there(machine: Machine) -> None:
    """The virtual environment's directory stands for the home: of it nothing else is there."""
    prefix = Path(sys.prefix)
    imports = "import chaosdrill.lab.packet_loss, locust; print('imported')"
    found = machine.on_client(f'python -c "{imports}"', f"ls -A {prefix.parent}", HOME=str(prefix.parent))
    assert found[0] == (0, "imported\n")
    inside = [one for one in (ROOT, Path(sys.base_prefix), machine.lab) if one.is_relative_to(prefix.parent)]
    names = {prefix.name, *(one.relative_to(prefix.parent).parts[0] for one in inside if one != prefix.parent)}
    names |= {"chaosdrill"} if prefix.parent == ROOT else set()
    assert set(found[1][1].split()) == names


def test_a_load_script_is_there_with_its_directory(machine: Machine) -> None:
    scripts = machine.home / "load"
    scripts.mkdir()
    for name in ("bank.py", "helper.py"):
        (scripts / name).write_text("\n")
    found = machine.on_client(
        f"ls {scripts}", f"ls {machine.secret}", f"echo 1 >> {scripts}/bank.py", locustfile=scripts / "bank.py"
    )
    assert (found[0][1].split(), found[1][0] != 0, found[2][0] != 0) == (["bank.py", "helper.py"], True, True)


def test_a_load_script_in_the_home_itself_is_there_alone(machine: Machine) -> None:
    script = machine.home / "bank.py"
    script.write_text("\n")
    found: Any = machine.on_client(f"cat {script}", f"ls -A {machine.home}", f"cat {machine.secret}", locustfile=script)
    assert (found[0][0], set(found[1][1].split()), found[2][0] != 0) == (0, {"bank.py", "state"}, True)
