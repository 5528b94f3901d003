"""One file that runs Locust with chaosdrill's plugin, or the heartbeat, on another machine, made of what is installed
on this one.

Nothing is downloaded: Locust's distributions are packed as they are installed here, so the other machine's Python must
be able to load their C extensions. What that takes is told by :class:`Needs`.
"""

import hashlib
import importlib.metadata
import io
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import chaosdrill
from chaosdrill.errors import DrillError

PACKAGE = Path(chaosdrill.__file__).parent
HOST = PACKAGE / "client" / "host"
LEAST_PYTHON = (3, 11)  # of what is chaosdrill's own
NOT_TO_RUN = (".pyc", ".c", ".h", ".cpp", ".hpp", ".pyx", ".pxd", ".pxi", ".pyi")
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


@dataclass(frozen=True)
class Needs:
    """What a machine must have to run what was packed here.

    :param libc: its name; empty when it is not known, as with musl before Python 3.13.
    :param libc_version: the least.
    :param pure: it is Python alone: any implementation on any machine will do, of that version or a newer one.
    """

    implementation: str
    python: tuple[int, int]
    machine: str
    libc: str
    libc_version: tuple[int, ...]
    pure: bool = False


@dataclass(frozen=True)
class Archive:
    """A file to be delivered; ``name`` is what it is called there."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """What it is known by."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Zipapp(Archive):
    """An archive that a Python can run."""

    needs: Needs


@cache
def locust_zipapp() -> Zipapp:
    """:returns: Locust, everything it needs, and chaosdrill's plugin; the same bytes for the same installation.

    :raises DrillError: when what is installed here cannot be packed.
    """
    distributions = [one for _, one in sorted(_closure("locust").items())]
    theirs = [file for one in distributions for file in sorted(_files(one))]
    own = _own_files((PACKAGE / "load").glob("*.py"))
    return Zipapp("locust.pyz", _packed([*own, *theirs]), _needs(distributions))


@cache
def heartbeat_zipapp() -> Zipapp:
    """:returns: the heartbeat, which needs nothing but Python; the same bytes for the same installation."""
    activities = ("actions.py", "probes.py")
    parts = [path for path in (PACKAGE / "heartbeat").glob("*.py") if path.name not in activities]
    return Zipapp("heartbeat.pyz", _packed(_own_files(parts)), Needs("", LEAST_PYTHON, "", "", (), pure=True))


def _packed(files: Iterable[tuple[str, Path]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        _add(archive, "__main__.py", HOST / "program.py")
        for name, path in files:
            _add(archive, name, path)
    return made.getvalue()


def _closure(name: str) -> dict[str, Distribution]:
    """The distribution of that name and all it requires, by name."""
    found: dict[str, Distribution] = {}
    wanted = [Requirement(name)]
    while wanted:
        requirement = wanted.pop()
        key = canonicalize_name(requirement.name)
        if key not in found:
            found[key] = _distribution(requirement.name)
            extras = ("", *requirement.extras)
            wanted += [
                one
                for one in map(Requirement, found[key].requires or ())
                if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
            ]
    return found


def _distribution(name: str) -> Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise DrillError(f"{name}, which Locust needs, is not installed here: install chaosdrill again") from error


def _files(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """What is imported of it, by the path under which it is."""
    listed = distribution.files
    if not listed or _editable(distribution):
        raise DrillError(
            f"{distribution.name} was not installed from a wheel, so its files cannot be packed for the client host: "
            f"`pip install --force-reinstall {distribution.name}`"
        )
    for one in listed:
        path = Path(str(distribution.locate_file(one)))
        if ".." not in one.parts and not one.name.endswith(NOT_TO_RUN) and "tests" not in one.parts[:-1]:
            yield one.as_posix(), path


def _editable(distribution: Distribution) -> bool:
    return '"editable": true' in (distribution.read_text("direct_url.json") or "")


def _own_files(parts: Iterable[Path]) -> list[tuple[str, Path]]:
    """What is run there, and the program that runs it, by the path under which each is imported."""
    program = (
        PACKAGE / "client" / "__init__.py",
        *(HOST / f"{name}.py" for name in ("__init__", "answering", "place")),
    )
    files = (PACKAGE / "__init__.py", *program, *parts)
    return sorted(((Path("chaosdrill") / path.relative_to(PACKAGE)).as_posix(), path) for path in files)


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Without times and users, so that the same content is the same archive everywhere."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, path.read_bytes())


def _needs(distributions: list[Distribution]) -> Needs:
    libc, version = platform.libc_ver()
    least = max((needed for one in distributions for needed in _glibc_of(one, _numbers(version))), default=(0,))
    here = (sys.version_info.major, sys.version_info.minor)
    return Needs(sys.implementation.name, here, platform.machine(), libc, least)


def _glibc_of(distribution: Distribution, here: tuple[int, ...]) -> list[tuple[int, ...]]:
    """:returns: the least glibc that its extensions need; empty without extensions. One built here needs this one."""
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
