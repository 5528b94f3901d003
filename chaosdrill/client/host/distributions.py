"""The distributions that Locust consists of: its dependencies for a Python, and the requirements of their C
extensions.
"""

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from chaosdrill.client.host.pythons import LEAST_PYTHON, NEWEST_MINOR, Compatibility
from chaosdrill.errors import DrillError

_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def installed_locust() -> list[Distribution]:
    """List Locust and its dependencies as installed on this machine, by name.

    :raises DrillError: when one of them is not installed.
    :source: https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers
    """
    found: dict[str, Distribution] = {}
    wanted = [Requirement("locust")]
    while wanted:
        requirement = wanted.pop()
        key = canonicalize_name(requirement.name)
        if key in found:
            continue
        distribution = next(iter(Distribution.discover(name=requirement.name)), None)
        if distribution is None:
            text = f"{requirement.name}, which Locust needs, is not installed here: install chaosdrill again"
            raise DrillError(text, code="package-missing")
        found[key] = distribution
        extras = ("", *requirement.extras)
        wanted += [
            one
            for one in map(Requirement, distribution.requires or ())
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return [one for _, one in sorted(found.items())]


def least_python() -> tuple[int, int]:
    """Return the oldest Python that runs both chaosdrill's own part and the Locust installed on this machine."""
    locust = importlib.metadata.metadata("locust")
    allowed = SpecifierSet(locust["Requires-Python"] or "")
    minors = range(LEAST_PYTHON[1], NEWEST_MINOR + 1)
    return (3, next(minor for minor in minors if allowed.contains(f"3.{minor}")))


def compatibility_of(distributions: Iterable[Distribution]) -> Compatibility:
    """Return which Pythons load the C extensions of distributions that are installed on this machine."""
    libc, version = platform.libc_ver()
    least = max((needed for one in distributions for needed in _glibc_of(one, _numbers(version))), default=(0,))
    here = (sys.version_info.major, sys.version_info.minor)
    without_gil = "t" if "t" in sys.abiflags else ""
    system = "" if sys.platform == "linux" else f"{sys.platform} "  # which no client host is
    return Compatibility(f"{sys.implementation.name}{without_gil}", here, f"{system}{platform.machine()}", libc, least)


def _glibc_of(distribution: Distribution, here: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the oldest glibc that its extensions need; empty without extensions. A locally built one needs this
    machine's.
    """
    text = distribution.read_text("WHEEL") or ""
    platforms = [line.rpartition("-")[2].strip() for line in text.splitlines() if line.startswith("Tag:")]
    needed = [_glibc_of_tag(tag, here) for tag in platforms if tag != "any"]
    return [min(needed)] if needed else []


def _glibc_of_tag(tag: str, here: tuple[int, ...]) -> tuple[int, ...]:
    if found := _MANYLINUX.match(tag):
        return (int(found.group(1)), int(found.group(2)))
    return _OLD_MANYLINUX.get(tag.partition("_")[0], here)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
