"""What is installed is locked: the versions and hashes of locks/ fit setup.cfg, and are what the tests run with."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chaosdrill.client.host import packing
from chaosdrill.client.host.wheels import LOCK
from tests import licences_page
from tests.failing import fails_with
from tests.small_drills import REPOSITORY
from tests.waiting import LONG_S

LOCKS = REPOSITORY / "locks"
PYTHONS = sorted({path.stem.removesuffix("-tests") for path in LOCKS.glob("python*.txt")})
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
DRILL, TESTS = ("chaosdrill", "lab", "report"), ("notify", "test")


def pinned(*paths: Path) -> dict[str, str]:
    """:returns: the version of each package of locks.

    :raises AssertionError: when one has no hash, or two versions.
    """
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", "\n".join(path.read_text() for path in paths)):
        first, *hashes = entry.strip().splitlines() or [""]
        if not first or first.startswith("#"):
            continue
        name, version = re.match(r"([a-z0-9-]+)==(\S+)", first).groups()  # type: ignore[union-attr]
        assert hashes, first
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", one) for one in hashes), first
        assert name not in found, first
        found[name] = version
    return found


def required(*parts: str) -> list[Requirement]:
    """:returns: what setup.cfg asks for."""
    asked = licences_page.required()
    return [one for part in parts for one in asked[part]]


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_has_a_lock_that_fits_what_setup_cfg_asks_for(python: str) -> None:
    drill = pinned(LOCKS / f"{python}.txt")
    tests = pinned(LOCKS / f"{python}.txt", LOCKS / f"{python}-tests.txt")
    for requirements, lock in ((required(*DRILL), drill), (required(*TESTS), tests)):
        unfit = [
            str(one) for one in requirements if not one.specifier.contains(lock.get(canonicalize_name(one.name), "0"))
        ]
        assert unfit == [], "python3 .ci/lock"


def test_every_python_that_setup_cfg_names_has_one() -> None:
    named = re.findall(r"Python :: (3\.\d+)$", (REPOSITORY / "setup.cfg").read_text(), re.MULTILINE)
    assert {f"python{one}" for one in named} <= set(PYTHONS)


def test_what_is_installed_here_is_what_is_locked() -> None:
    """And nothing that a package needs is missing in the lock, which pip would not notice with --no-deps."""
    locked = pinned(LOCKS / f"{HERE}.txt", LOCKS / f"{HERE}-tests.txt")
    wanted = {canonicalize_name(name) for name in licences_page.closure(required(*DRILL, *TESTS))}
    assert {name: distribution(name).version for name in wanted} == {name: locked.get(name) for name in wanted}
    assert sorted(set(locked) - wanted) in ([], ["setuptools"])


def test_what_the_client_host_gets_is_of_the_same_versions() -> None:
    locust, drill = pinned(LOCK), pinned(LOCKS / "python3.11.txt")
    assert "locust" in locust
    assert {name for name in set(locust) & set(drill) if locust[name] != drill[name]} == set()


def test_another_file_under_the_name_of_a_locked_one_is_not_installed(tmp_path: Path) -> None:
    """As if the package index had been broken into: `make install` ends, and nothing is in the venv."""
    (locked,) = pinned(LOCKS / "build.txt").items()
    index, venv = tmp_path / "index", tmp_path / "venv"
    index.mkdir()
    with zipfile.ZipFile(index / f"{locked[0]}-{locked[1]}-py3-none-any.whl", "w") as forged:
        forged.writestr("setuptools.py", "import os; os.system('id')")
        forged.writestr(f"setuptools-{locked[1]}.dist-info/METADATA", "Name: setuptools\nVersion: {locked[1]}\n")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        ["make", "install", f"VENV={venv}", f"PYTHON={sys.executable}"],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=LONG_S,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr, done.stderr
    assert not list(venv.glob("lib/python*/site-packages/setuptools*"))


def test_nothing_says_that_chaosdrill_is_to_be_installed_by_its_name() -> None:
    """Whoever registers it at an index would be run by everybody who follows."""
    pages = [*REPOSITORY.glob("README*"), *(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("experiments/**/*.*")]
    texts = {str(path): path.read_text() for path in [*pages, *(REPOSITORY / "chaosdrill").rglob("*.py")]}
    warnings = "Do not `pip install chaosdrill`|`pip install chaosdrill` は"
    told = {path: re.sub(warnings, "", text) for path, text in texts.items()}
    said = {path: re.findall(r"pip install[^\n`]*chaosdrill\b(?!-)", text) for path, text in told.items()}
    assert {path: found for path, found in said.items() if found} == {}


@pytest.fixture
def altered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A distribution of which a file has another content than its wheel had."""
    (tmp_path / "brotli-9.9.dist-info").mkdir()
    (tmp_path / "brotli-9.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: brotli\nVersion: 9.9\n")
    record = "brotli.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"  # of an empty file
    (tmp_path / "brotli-9.9.dist-info" / "RECORD").write_text(record)
    (one,) = Distribution.discover(path=[str(tmp_path)])
    monkeypatch.setattr(packing, "installed_locust", lambda: [one])
    packing.locust_zipapp.cache_clear()
    yield tmp_path / "brotli.py"
    packing.locust_zipapp.cache_clear()


def test_a_file_that_was_altered_since_it_was_installed_is_not_brought_to_the_client_host(altered: Path) -> None:
    altered.write_text("")
    packing.locust_zipapp()
    packing.locust_zipapp.cache_clear()
    altered.write_text("import os; os.system('id')\n")
    with fails_with("package-altered") as refused:
        packing.locust_zipapp()
    assert str(altered) in str(refused.value)
