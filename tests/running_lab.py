"""A lab for tests, driven as a user drives it: by the `chaosdrill` command, in a directory of its own."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.lab import control_socket, endpoint_page
from chaosdrill.lab.client_shell import supervisor_pid
from chaosdrill.lab.environment import client_environment
from chaosdrill.lab.namespaces import enter_bastion_command
from chaosdrill.lab.plan import LabPlan
from tests.waiting import LONG_S

RESYNC_S = "30"  # of the reference's seconds
CHAOSDRILL = [sys.executable, "-m", "chaosdrill.cli"]


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip a test on a machine that lacks one of these programs; CI installs them, so there it runs, or fails."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing) and not os.environ.get("CI"), reason=f"not installed: {missing}")


class RunningLab:
    """The `chaosdrill` command with a CHAOSDRILL_HOME of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "CHAOSDRILL_HOME": str(home)}

    def run(self, *arguments: str, check: bool = True, timeout_s: float = LONG_S) -> "subprocess.CompletedProcess[str]":
        """Run `chaosdrill ARGUMENTS`."""
        done = subprocess.run(
            [*CHAOSDRILL, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            said = done.stdout + done.stderr
            raise AssertionError(f"chaosdrill {shlex.join(arguments)}: exit {done.returncode}\n{said}")
        return done

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start `chaosdrill ARGUMENTS` and leave it running."""
        return subprocess.Popen(
            [*CHAOSDRILL, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    @property
    def plan(self) -> LabPlan:
        """What the lab that runs consists of, its keys included."""
        return LabPlan.load(self.home / "lab" / "plan.json")

    @property
    def keys(self) -> dict[str, str]:
        """The keys of its profile, as boto3 takes them."""
        user = self.plan.access.user
        return {"aws_access_key_id": user.id, "aws_secret_access_key": user.secret}

    def aws_calls(self) -> list[dict[str, Any]]:
        """:returns: the log of the calls of its AWS endpoint."""
        found: list[dict[str, Any]] = endpoint_page.ask(self.plan, "GET", "/chaosdrill/calls")["calls"]
        return found

    def up(self, scale: float) -> None:
        """Start a lab that stays, whose database is rebuilt quickly after an unplanned failover."""
        self.run("lab", "up", "--detach", "--scale", str(scale), "--resync", RESYNC_S)

    def down(self) -> None:
        """End it."""
        self.run("lab", "down", "--force")

    def status(self) -> dict[str, Any]:
        """:returns: what `chaosdrill lab status --json` prints."""
        found: dict[str, Any] = json.loads(self.run("lab", "status", "--json", check=False).stdout)
        return found

    def shell(self, script: str, check: bool = True, timeout_s: float = LONG_S) -> "subprocess.CompletedProcess[str]":
        """Run a script on the host after `eval "$(chaosdrill lab env)"`."""
        exports = f'eval "$({shlex.join(CHAOSDRILL)} lab env)"\n'
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["/bin/sh", "-c", exports + script],
            env={**self.environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{script}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def on_client(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command on the lab's client host."""
        return self.run("lab", "exec", "--", *command, check=check)

    def supervisor_pid(self) -> int:
        """:returns: the pid of the lab's first process, as the host sees it."""
        with control_socket.Connection(self.home / "lab" / "control.sock") as connection:
            return supervisor_pid(connection)

    def process(self, module: str) -> int:
        """:returns: the pid of the lab's process that runs a module, as the host sees it."""
        mine = str(self.home / "lab" / "plan.json").encode()
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                words = command.read_bytes().split(b"\0")
                if module.encode() in words and mine in words:
                    return int(command.parent.name)
        raise AssertionError(f"the lab runs no {module}")

    def entering(self, *command: str) -> dict[str, Any]:
        """:returns: arguments for `subprocess.run` that run a command on the client host without asking the lab."""
        plan = self.plan
        status, home = self.status(), str(plan.directory / "home")
        prefix = enter_bastion_command(self.supervisor_pid(), status["network_fd"], status["view_fd"], home)
        return {"args": [*prefix, *command], "env": client_environment(plan)}

    def call(self, op: str, **arguments: Any) -> Any:
        """One request on the control socket."""
        return control_socket.call(self.home / "lab" / "control.sock", op, **arguments)
