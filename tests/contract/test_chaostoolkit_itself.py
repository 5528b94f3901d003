"""Chaos Toolkit's own tests pass with chaosdrill loaded as they do without it."""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.waiting import LONG_S

# what its tests need and chaosdrill does not; none of it may change what is installed here, so without its dependencies
NEEDED = ("callee", "freezegun", "hvac", "ply", "pyhcl", "requests-mock", "responses")
OUT_ON_THE_INTERNET = "tests/test_substitution.py::test_http_activity_can_substitute_timeout"
LOADED = """
import chaosdrill.controls.drill
import chaosdrill.failover.actions, chaosdrill.load.actions, chaosdrill.region.probes
"""


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_its_own_tests_pass(tmp_path: Path) -> None:
    wanted = f"chaostoolkit-lib=={version('chaostoolkit-lib')}"
    pip("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(tmp_path), wanted)
    pip("install", "--quiet", "--no-deps", "--target", str(tmp_path / "needed"), *NEEDED)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path, filter="data")
    (tmp_path / "needed" / "loaded.py").write_text(LOADED)
    own = tmp_path / archive.name.removesuffix(".tar.gz")
    options = [
        "-q",
        "-c",
        os.devnull,
        "--rootdir",
        str(own),
        "-p",
        "loaded",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests", "--deselect", OUT_ON_THE_INTERNET],
        cwd=own,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "needed"), "PWD": str(own)},
        capture_output=True,
        text=True,
        timeout=3 * LONG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
