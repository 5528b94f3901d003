"""The client host's tools that a drill needs, listed by one read-only command, and the command that installs the rest.

See: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html (what the fault's document installs)
"""

import shlex
from dataclasses import dataclass

from chaosdrill.aws import System
from chaosdrill.client.commands import run_on_client

TOOLS = ("atd", "dig", "jq", "lsof", "tc")
"""The tools that AWSFIS-Run-Network-Packet-Loss-Sources needs, and installs where they are missing."""
MODULE = "sch_netem"
"""The kernel module that drops packets."""
_MANAGERS = ("dnf", "yum", "apt-get")
_PACKAGES = {"atd": "at", "dig": "bind-utils", "tc": "iproute-tc", MODULE: "kernel-modules-extra"}
_DEBIAN = {"atd": "at", "dig": "dnsutils", "tc": "iproute2", MODULE: "linux-modules-extra-$(uname -r)"}
SCRIPT = f"""
PATH="$PATH:/usr/sbin:/sbin"
. /etc/os-release 2>/dev/null
echo "system $ID $VERSION_ID"
echo "user $(id -u)"
for one in {" ".join((*TOOLS, *_MANAGERS))}; do command -v $one >/dev/null 2>&1 && echo "tool $one"; done
{{ modprobe -n {MODULE} || [ -d /sys/module/{MODULE} ]; }} >/dev/null 2>&1 && echo "module {MODULE}"
true
""".strip()


@dataclass(frozen=True)
class HostFacts:
    """Tools and properties of a client host.

    :param system: its distribution and version, such as ``amzn 2023``.
    :param root: whether commands run as root, as SSM's do on AWS.
    :param tools: the installed ones of :data:`TOOLS`.
    :param netem: whether the kernel can load :data:`MODULE`.
    :param package_manager: dnf, yum or apt-get; empty: none.
    """

    system: str
    root: bool
    tools: tuple[str, ...]
    netem: bool
    package_manager: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The tools and modules that the fault's document would have to install first."""
        return (*(one for one in TOOLS if one not in self.tools), *(() if self.netem else (MODULE,)))

    @property
    def packages(self) -> tuple[str, ...]:
        """The distribution's packages that contain them."""
        named = _DEBIAN if self.package_manager == "apt-get" else _PACKAGES
        return tuple(named.get(one, one) for one in self.missing)


def host_facts(system: System) -> HostFacts:
    """Read the tools and properties of the client host.

    :raises CannotSee: when it accepts no commands.
    """
    return parsed(run_on_client(system, SCRIPT, called="that lists the tools of the host", reads="list-tools").stdout)


def parsed(printed: str) -> HostFacts:
    """Parse the output of :data:`SCRIPT`."""
    lines = [line.split(maxsplit=1) for line in printed.splitlines() if " " in line]
    found = [(kind, value.strip()) for kind, value in lines]
    there = [value for kind, value in found if kind == "tool"]
    return HostFacts(
        system=next((value for kind, value in found if kind == "system"), ""),
        root=("user", "0") in found,
        tools=tuple(one for one in TOOLS if one in there),
        netem=("module", MODULE) in found,
        package_manager=next((one for one in _MANAGERS if one in there), ""),
    )


def install_command(instance_id: str, region: str, *packages: str, manager: str = "dnf") -> str:
    """Return the AWS CLI command that installs packages on the client host."""
    script = f"{manager} install -y {' '.join(packages)}"
    where = f"--region {shlex.quote(region)} --instance-ids {shlex.quote(instance_id)}"
    commands = shlex.quote(f"commands={script}")
    return f"aws ssm send-command {where} --document-name AWS-RunShellScript --parameters {commands}"
