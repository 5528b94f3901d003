"""Who runs a drill, on which machine, from which commit, with which versions: what an auditor asks first."""

import os
import platform
import pwd
import socket
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

GIT_WITHIN_S = 5.0
PACKAGES = ("chaosdrill", "chaostoolkit-lib", "locust", "boto3", "moto")  # moto: the lab's AWS


def origin(experiment: Path | None) -> dict[str, Any]:
    """:returns: ``operator`` (the user's name, else the uid; with sudo also who called it), ``host``, and ``git``: the
    ``commit`` that the experiment's directory is at, and whether the file was ``changed`` since; None outside of git.
    """
    return {"operator": _operator(), "host": socket.gethostname(), "git": _git(experiment)}


def versions() -> dict[str, str]:
    """:returns: the versions of what a difference between two runs may come from, by name: packages that are installed
    here, Python, and the system's kernel.
    """
    found = {name: version for name in PACKAGES if (version := _version(name))}
    return {**found, "python": platform.python_version(), platform.system().lower(): platform.release()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the lab's is in an extra
        return ""


def _operator() -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's uid need not be in the password file
        name = f"uid {os.getuid()}"
    caller = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {caller})" if caller else name


def _git(experiment: Path | None) -> dict[str, Any] | None:
    if experiment is None:
        return None
    commit = _said(experiment, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "changed": bool(_said(experiment, "status", "--porcelain", "--", experiment.name))}


def _said(experiment: Path, *arguments: str) -> str:
    command = ["git", "-C", str(experiment.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git here, or a repository that hangs: the drill goes on
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
