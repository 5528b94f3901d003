"""Wheels of Locust from `locust.lock`, for a Python that cannot load the distributions installed on this machine.

The lock names the versions that chaosdrill is tested with, and each file's hash must be in it. pip downloads them as
its own configuration says, and they are cached in chaosdrill's directory on this machine.
"""

import hashlib
import importlib.util
import logging
import re
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution
from pathlib import Path

from packaging.markers import Marker

from chaosdrill.client.host.distributions import compatibility_of, installed_locust
from chaosdrill.client.host.pythons import Compatibility, Python, dotted
from chaosdrill.errors import Refused
from chaosdrill.paths import ensure_directory, home

logger = logging.getLogger("chaostoolkit")

LOCK = Path(__file__).with_name("locust.lock")
FETCH_WITHIN_S = 600.0
OLDEST_GLIBC_MINOR = 5  # of manylinux1; the major version is 2
MOST_SAID = 600  # characters of pip's output in a message
_PINNED = re.compile(r"^(\S+==\S+)(?: ; (.*?))? \\\n((?:    --hash=.*\n)+)", re.MULTILINE)


def fetched_locust(python: Python) -> list[Distribution]:
    """Download Locust and its dependencies for a Python, once.

    :param python: a CPython with glibc.
    :returns: the distributions, by name.
    :raises Refused: when they cannot be downloaded, or a file's hash is not in the lock.
    :raises BadInput: when the directory for them cannot be created.
    """
    locked = locked_locust(python)
    libc = f"{python.libc}{dotted(python.libc_version)}"
    known = hashlib.sha256(locked.encode()).hexdigest()[:16]
    place = ensure_directory(home() / "packages") / f"cp{dotted(python.python)}-{python.machine}-{libc}-{known}"
    if not place.is_dir():
        logger.info(f"Fetching Locust for the client host's {python.platform}: {locked.count('==')} packages, once")
        _fetch(python, locked, place)
    return sorted(Distribution.discover(path=[str(place)]), key=lambda one: one.name.lower())


def locked_locust(python: Python) -> str:
    """Return the locked packages for a Python as pip requirements with hashes.

    They have no markers: pip would evaluate those for the Python that runs it.
    """
    environment = environment_of(python)
    pinned = _PINNED.findall(LOCK.read_text())
    return "".join(
        f"{name} \\\n{hashes}" for name, marker, hashes in pinned if not marker or Marker(marker).evaluate(environment)
    )


def environment_of(python: Python) -> dict[str, str]:
    """Return the values of environment markers for a Python. pip uses those of the Python that runs it, regardless of
    ``--python-version``.

    :source: https://github.com/pypa/pip/issues/11664
    """
    version = dotted(python.python)
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": python.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def platforms_of(python: Python) -> list[str]:
    """Return the platform tags of the wheels that run there, best first.

    :source: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/#manylinux
    """
    newest = python.libc_version[1]
    tags = [f"manylinux_2_{minor}" for minor in range(newest, OLDEST_GLIBC_MINOR - 1, -1)]
    return [f"{tag}_{python.machine}" for tag in [*tags, *(["manylinux2014"] if newest >= 17 else [])]]


def _fetch(python: Python, locked: str, place: Path) -> None:
    """Download into a temporary directory, and rename it once it is complete."""
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=place.parent) as unfinished:
        requirements, packages = Path(unfinished, "locked.txt"), Path(unfinished, "packages")
        requirements.write_text(locked)
        _pip(python, requirements, packages)
        try:
            packages.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was faster
                raise


def _pip(python: Python, requirements: Path, directory: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise Refused(
            _unfetched(python, f"pip is not installed here (`{sys.executable} -m ensurepip`)"),
            code="packages-not-fetched",
        )
    target = ["--implementation", "cp", "--python-version", dotted(python.python), "--target", str(directory)]
    target += [word for tag in platforms_of(python) for word in ("--platform", tag)]
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    options += ["--require-hashes", "--only-binary=:all:", "--requirement", str(requirements)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, *target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(
            _unfetched(python, f"pip was not done within {FETCH_WITHIN_S:g} s"), code="packages-not-fetched"
        ) from error
    if done.returncode:
        raise Refused(_unfetched(python, _said(done.stderr)), code="packages-not-fetched")


def _said(stderr: str) -> str:
    """Return pip's own account of its failure: first why no package index responded, if none did."""
    lines = [line.strip() for line in stderr.splitlines()]
    unreachable = [line for line in lines if "connection broken" in line][-1:]
    said = unreachable + [line for line in lines if line.startswith(("ERROR:", "Expected sha256", "Got "))]
    return f"pip said: {' '.join(said or lines[-3:])[:MOST_SAID]}"


def _unfetched(python: Python, why: str) -> str:
    here = compatibility_of(installed_locust())
    return (
        f"what is installed here runs with {here}. The client host has {python}, and Locust could not be fetched "
        f"for it: {why}. Let pip reach a package index that has them (its own configuration counts: index-url, "
        f"find-links, proxy), or {_way_out(python, here)}, or start a Locust of your own there and attach to it: "
        "`client: {url: ...}`"
    )


def _way_out(python: Python, here: Compatibility) -> str:
    version = dotted(here.python)
    if (python.machine, python.libc) != (here.machine, here.libc):
        return f"run chaosdrill with Python {dotted(python.python)} on {python.machine}"
    if python.libc_version < here.libc_version:
        return f"take a client host with {here.libc} {dotted(here.libc_version)} or newer (such as Amazon Linux 2023)"
    install = f"install Python {version} on the client host (on Amazon Linux 2023: dnf install python{version})"
    return f"{install}, or run chaosdrill with Python {dotted(python.python)}"
