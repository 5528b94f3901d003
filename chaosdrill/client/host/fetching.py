"""Locust for a Python that cannot load what is installed here: the same versions, as wheels for that Python.

pip fetches them, from where its own configuration says, and they stay in chaosdrill's directory on this machine.
"""

import hashlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement

from chaosdrill.client.host.distributions import Find, closure, compatibility_of, installed, installed_locust
from chaosdrill.client.host.pythons import Compatibility, Python, dotted
from chaosdrill.errors import Refused
from chaosdrill.home import home, made

logger = logging.getLogger("chaostoolkit")

FETCH_WITHIN_S = 600.0
OLDEST_GLIBC_MINOR = 5  # of manylinux1; the major version is 2
MOST_SAID = 600  # characters of what pip said


def fetched_locust(python: Python) -> list[Distribution]:
    """:returns: Locust and all it requires there, in the versions that are installed here; what is not installed here,
        because only that Python needs it, in the newest that fits.

    :param python: a CPython with glibc.
    :raises Refused: when they cannot be had.
    :raises BadInput: when there is no place for them.
    """
    environment = environment_of(python)
    wanted = _requirements(*closure("locust", installed, environment))
    known = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
    libc = f"{python.libc}{dotted(python.libc_version)}"
    place = made(home() / "packages") / f"cp{dotted(python.python)}-{python.machine}-{libc}-{known}"
    if not place.is_dir():
        logger.info(f"Fetching Locust for the client host's {python.platform}: {len(wanted)} packages, once")
        _fetch(python, wanted, place)
    return closure("locust", _lying_in(place), environment)[0]


def environment_of(python: Python) -> dict[str, str]:
    """:returns: what environment markers are evaluated with for that Python. pip takes the Python that it runs with,
        whatever ``--python-version`` says.

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
    """:returns: the platform tags whose wheels run there, the best first.

    :source: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/#manylinux
    """
    newest = python.libc_version[1]
    tags = [f"manylinux_2_{minor}" for minor in range(newest, OLDEST_GLIBC_MINOR - 1, -1)]
    return [f"{tag}_{python.machine}" for tag in [*tags, *(["manylinux2014"] if newest >= 17 else [])]]


def _requirements(found: Sequence[Distribution], missing: Sequence[Requirement]) -> list[str]:
    """Without markers: they hold there, and pip would ask whether they hold here."""
    return sorted(
        [
            *(f"{one.name}=={one.version}" for one in found),
            *(f"{one.name}{one.specifier}" for one in missing),
        ]
    )


def _fetch(python: Python, wanted: list[str], place: Path) -> None:
    """The directory is there only when it is whole."""
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=place.parent) as unfinished:
        packages = Path(unfinished, "packages")
        asked: list[str] = []
        while wanted and wanted != asked:  # what only that Python needs may need more
            asked = wanted
            _pip(python, asked, packages)
            wanted = _requirements([], closure("locust", _lying_in(packages), environment_of(python))[1])
        if wanted:
            raise Refused(_unfetched(python, f"pip did not bring {', '.join(wanted)}"), code="packages-not-fetched")
        try:
            packages.rename(place)
        except OSError:
            if not place.is_dir():  # else another one was quicker
                raise


def _lying_in(directory: Path) -> Find:
    return lambda name: next(iter(Distribution.discover(name=name, path=[str(directory)])), None)


def _pip(python: Python, wanted: Sequence[str], directory: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise Refused(
            _unfetched(python, f"pip is not installed here (`{sys.executable} -m ensurepip`)"),
            code="packages-not-fetched",
        )
    target = ["--implementation", "cp", "--python-version", dotted(python.python)]
    target += [word for tag in platforms_of(python) for word in ("--platform", tag)]
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *options, "--only-binary=:all:", "--target", str(directory)]
    try:
        done = subprocess.run(
            [*command, *target, *wanted],
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
    """What pip said of its failure: first why no package index answered, if none did."""
    lines = [line.strip() for line in stderr.splitlines()]
    unreachable = [line for line in lines if "connection broken" in line][-1:]
    said = unreachable + [line for line in lines if line.startswith("ERROR:")]
    return f"pip said: {' '.join(said or lines[-3:])[:MOST_SAID]}"


def _unfetched(python: Python, why: str) -> str:
    here = compatibility_of(installed_locust())
    return (
        f"what is installed here runs with {here}. The client host has {python}, and the same versions could not be "
        f"fetched for it: {why}. Let pip reach a package index that has them (its own configuration counts: index-url, "
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
