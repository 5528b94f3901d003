"""The provenance of a run: operator, machine, commit and versions."""

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
    """Return ``operator`` (the user's name, else the uid; with sudo also the calling user), ``host``, and ``git``:
    the ``commit`` of the experiment's directory, and whether the file was ``changed`` since; None outside of git.
    """
    return {"operator": _operator(), "host": socket.gethostname(), "git": _git(experiment)}


def versions() -> dict[str, str]:
    """Return, by name, the versions that can explain a difference between two runs: packages that are installed
    here, Python, and the system's kernel.
    """
    found = {name: version for name in PACKAGES if (version := _version(name))}
    return {**found, "python": platform.python_version(), platform.system().lower(): platform.release()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the lab's package is in an extra
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
    except (OSError, subprocess.TimeoutExpired):  # no git here, or a repository that hangs: the drill continues
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
