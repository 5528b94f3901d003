"""Zipapps that run Locust with chaosdrill's plugin, or the heartbeat, on another machine.

Locust's distributions are packed as installed on this machine if the other machine's Python can load their C
extensions; for another Python those of `locust.lock` are downloaded.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackagePath
from pathlib import Path

import chaosdrill
from chaosdrill.client.host.distributions import compatibility_of, installed_locust, least_python
from chaosdrill.client.host.pythons import LEAST_PYTHON, Needs, Python
from chaosdrill.client.host.wheels import fetched_locust
from chaosdrill.errors import DrillError

PACKAGE = Path(chaosdrill.__file__).parent
HOST = PACKAGE / "client" / "host"
NOT_TO_RUN = (".pyc", ".c", ".h", ".cpp", ".hpp", ".pyx", ".pxd", ".pxi", ".pyi")
HEARTBEAT = Needs("the heartbeat", LEAST_PYTHON, "run it on this machine: `heartbeat: {run: local}`")


@dataclass(frozen=True)
class Archive:
    """A file to deliver.

    :param name: its name on the client host.
    """

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.data).hexdigest()


@cache
def locust_needs() -> Needs:
    """Return which Pythons run Locust: those with wheels of its dependencies, which only CPython with glibc has.

    :raises DrillError: when Locust is not installed on this machine.
    """
    otherwise = "start a Locust of your own there and attach to it: `client: {url: ...}`"
    installed = compatibility_of(installed_locust())
    return Needs("Locust", least_python(), otherwise, "cpython", "glibc", installed)


@cache
def locust_zipapp(python: Python | None = None) -> Archive:
    """Return a zipapp of Locust, its dependencies and chaosdrill's plugin; the same bytes for the same installation.

    :param python: the Python that will run it; None: one that loads what is installed on this machine.
    :raises DrillError: when an installed distribution cannot be packed, or was altered since it was installed.
    :raises Refused: when the distributions for that Python cannot be downloaded.
    """
    distributions = installed_locust()
    if python is not None and not compatibility_of(distributions).allows(python):
        distributions = fetched_locust(python)
    theirs = [file for one in distributions for file in sorted(_files(one))]
    return Archive("locust.pyz", _packed([*_own_files((PACKAGE / "load").glob("*.py")), *theirs]))


@cache
def heartbeat_zipapp() -> Archive:
    """Return a zipapp of the heartbeat, which needs only Python; the same bytes for the same installation."""
    on_this_machine = ("actions.py", "probes.py", "part.py", "checks.py")
    parts = [path for path in (PACKAGE / "heartbeat").glob("*.py") if path.name not in on_this_machine]
    return Archive("heartbeat.pyz", _packed(_own_files(parts)))


def _packed(files: Iterable[tuple[str, Path]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        _add(archive, "__main__.py", HOST / "agent.py")
        for name, path in files:
            _add(archive, name, path)
    return made.getvalue()


def _files(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the files of a distribution that are needed at run time, with their paths in the archive."""
    listed = distribution.files
    if not listed or _editable(distribution):
        raise DrillError(
            f"{distribution.name} was not installed from a wheel, so its files cannot be packed for the client host: "
            f"`pip install --force-reinstall {distribution.name}`",
            code="package-not-from-wheel",
        )
    for one in listed:
        path = Path(str(distribution.locate_file(one)))
        if ".." not in one.parts and not one.name.endswith(NOT_TO_RUN) and "tests" not in one.parts[:-1]:
            _check(distribution, one, path)
            yield one.as_posix(), path


def _check(distribution: Distribution, listed: PackagePath, path: Path) -> None:
    """Compare a file with the hash that the wheel recorded for it.

    :raises DrillError: when it was altered since it was installed.
    :source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    if listed.hash is None:
        return  # RECORD itself, and files that pip wrote during the installation
    digest = hashlib.new(listed.hash.mode, path.read_bytes()).digest()
    if base64.urlsafe_b64encode(digest).decode().rstrip("=") != listed.hash.value:
        raise DrillError(
            f"{path} was altered since {distribution.name} was installed, so it is not sent to the client host: "
            f"`pip install --force-reinstall {distribution.name}=={distribution.version}`",
            code="package-altered",
        )


def _editable(distribution: Distribution) -> bool:
    return '"editable": true' in (distribution.read_text("direct_url.json") or "")


def _own_files(parts: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return the modules of a program and of its runner, with their paths in the archive."""
    program = (
        PACKAGE / "client" / "__init__.py",
        *(HOST / f"{name}.py" for name in ("__init__", "agent_responses", "agent_paths")),
    )
    shared = (PACKAGE / f"{name}.py" for name in ("__init__", "page_guard", "secret_text"))
    files = (*shared, *(PACKAGE / "records").glob("*.py"), *program, *parts)
    return sorted(((Path("chaosdrill") / path.relative_to(PACKAGE)).as_posix(), path) for path in files)


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Add a file without times and users, so that the same content yields the same archive everywhere."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, path.read_bytes())
