"""Access to a running lab: commands on its client host, and a shell on this machine whose AWS clients use the lab."""

import os
import shlex
import socket
import struct

from chaosdrill.errors import LabError
from chaosdrill.lab import control_socket
from chaosdrill.lab.environment import client_environment, past_proxies
from chaosdrill.lab.namespaces import enter_bastion_command
from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.running_lab import PLAN, SOCKET, directory, running_plan


def supervisor_pid(connection: control_socket.Connection) -> int:
    """Return the process ID of the lab's first process, as seen from this machine."""
    credentials = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def client_command(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment that run a command on the lab's client host.

    :raises LabError: when no lab is running.
    """
    lab = directory()
    with control_socket.Connection(lab / SOCKET) as connection:
        status = connection.call("status")
        pid = supervisor_pid(connection)
    plan = LabPlan.load(lab / PLAN)
    prefix = enter_bastion_command(pid, status["network_fd"], status["view_fd"], str(lab / "home"))
    return [*prefix, *command], client_environment(plan)


def shell_exports() -> list[str]:
    """Return lines for a shell's ``eval`` that make AWS clients and chaosdrill use the lab.

    :raises LabError: when no lab is running.
    """
    plan = running_plan()
    if plan is None:
        raise LabError("no lab runs: start one with `chaosdrill lab up --detach`")
    exports = {
        "AWS_CONFIG_FILE": str(plan.aws_config_file),
        "AWS_PROFILE": "chaosdrill-lab",
        "AWS_PAGER": "",
        "CHAOSDRILL_TOPOLOGY": str(plan.topology_file),
        "CHAOSDRILL_LAB_TOKEN": plan.access.token,
        "CHAOSDRILL_LAB_DNS_PORT": str(plan.dns_port),
        "CHAOSDRILL_LAB_LOCUST": f"http://127.0.0.1:{plan.load_port}",
        **past_proxies(),
    }
    # these would override the profile's endpoint or credentials
    misleading = sorted(name for name in os.environ if name.startswith("AWS_") and name not in exports)
    return [
        *(f"unset {name}" for name in misleading),
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
    ]
