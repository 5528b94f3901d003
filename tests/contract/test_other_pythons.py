"""Locust for a client host whose Python cannot load what is installed here: it is fetched, each file by its hash."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from chaosdrill.aws import System, polling, system_of
from chaosdrill.client import load_generator as seam
from chaosdrill.client.host import pythons, remote_program, ssm_locust, wheels
from chaosdrill.client.host.packing import locust_zipapp
from chaosdrill.client.host.pythons import Python, find_python
from chaosdrill.load.actions import start_load, stop_load
from chaosdrill.load.probes import failures
from tests.contract import lab_aws
from tests.contract.activities_rig import TOKYO, Rig, drill
from tests.contract.lab_aws import LabAws
from tests.contract.load_rig import Target, script, target
from tests.failing import fails_with

pytestmark = pytest.mark.long

BUCKET = "for-another-python"
ARM = Python("/usr/bin/python3.12", "cpython", (3, 12), "aarch64", "glibc", (2, 34), "/root/.cache/chaosdrill")


def other_python() -> Path | None:
    """A Python of this machine, not of the version that runs this."""
    for minor in range(11, 20):
        places = ["/usr/bin", "/usr/local/bin", *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin")]
        for there in (Path(place, f"python3.{minor}") for place in places):
            if minor != sys.version_info.minor and there.exists():
                return there
    return None


OTHER = other_python()


@pytest.fixture(scope="module")
def package_index() -> None:
    """Elsewhere these tests are skipped without one; CI has one, so there they run, or fail."""
    asked = [sys.executable, "-m", "pip", "index", "versions", "--quiet", "locust"]
    if subprocess.run(asked, capture_output=True, check=False).returncode and not os.environ.get("CI"):
        pytest.skip("pip reaches no package index")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the client host keeps what is delivered; this machine has fetched nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    locust_zipapp.cache_clear()
    yield tmp_path / "cache" / "chaosdrill"
    locust_zipapp.cache_clear()


@pytest.fixture
def configuration(aws: LabAws, tmp_path: Path) -> Iterator[dict[str, Any]]:
    s3 = aws.client("s3", TOKYO)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": TOKYO})
    rig = Rig(aws)
    made = rig.other_topology(tmp_path / "topology.json", client=rig.client_host(run="ssm", s3=BUCKET))
    yield made
    seam.end_load_generator(made)
    for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=one["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def system(configuration: dict[str, Any]) -> System:
    return system_of(configuration)


@pytest.fixture
def clients() -> Iterator[Target]:
    with target() as one:
        yield one


@pytest.mark.skipif(
    OTHER is None and not os.environ.get("CI"), reason="no second Python, 3.11 or newer, on this machine"
)
def test_a_host_with_another_python_runs_the_load(
    aws: LabAws,
    package_index: None,
    host: Path,
    system: System,
    clients: Target,
    configuration: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert OTHER is not None, "CI has a second Python, 3.11 or newer"
    path = f"{lab_aws.pythons(tmp_path, OTHER)}{os.pathsep}{lab_aws.without_pythons(tmp_path)}"
    monkeypatch.setattr(aws.supervisor, "path", path)
    monkeypatch.setattr(pythons, "BESIDE", str(tmp_path / "nothing"))
    monkeypatch.setattr(remote_program, "CALL_EVERY_S", 0.0)
    monkeypatch.setattr(polling, "interval_s", lambda spent_s, every_s=1.0: 0.05)
    caplog.set_level("INFO", "chaostoolkit")
    names = [f"python3.{minor}" for minor in range(8, 20)]
    assert {f"python3.{one.python[1]}" for one in pythons.pythons(system, *names)} == {OTHER.name}, "no other one"

    run = tmp_path / "run"
    run.mkdir()
    calling = script(tmp_path)
    with drill(run) as one:
        started = start_load(2, 10, clients.url, str(calling), within_s=120, configuration=configuration)
        assert started["users"] == 2
        assert failures(window_s=1, min_requests=5, configuration=configuration) == 0
        keeper = json.loads((host / "load" / "state.json").read_text())["pid"]
        assert Path(os.readlink(f"/proc/{keeper}/exe")).name == OTHER.name
        assert stop_load(configuration=configuration)["state"] == "stopped"
        (starting,) = one.history.events("locust-starting")
    assert f"cpython {OTHER.name.removeprefix('python')} on" in starting["python"]
    assert not psutil.pid_exists(keeper) or psutil.Process(keeper).status() == psutil.STATUS_ZOMBIE
    (records,) = (run / "records").iterdir()
    _, *rows = [json.loads(row) for row in records.read_text().splitlines()]
    requests = [row for row in rows if row[0] == "r"]
    assert {row[6] for row in requests} == {200}
    assert rows[-1][0] == "e", "it ended in order"
    assert 5 < rows[-1][2] == len(requests) <= clients.answered <= len(requests) + 2, "two users may be cut off"
    assert sum(message.startswith("Fetching") for message in caplog.messages) == 1


def test_another_kind_of_machine_gets_its_own_wheels_once(
    package_index: None, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = locust_zipapp(ARM)
    with zipfile.ZipFile(BytesIO(packed.data)) as archive:
        names = archive.namelist()
        core = archive.read(next(one for one in names if one.startswith("gevent/libev/corecext.")))
    built = [one for one in names if ".cpython-" in one and one.endswith(".so")]
    assert len(built) > 10
    assert [one for one in built if not one.endswith(".cpython-312-aarch64-linux-gnu.so")] == []
    assert int.from_bytes(core[18:20], "little") == 183, "EM_AARCH64"
    for name in ("locust", "gevent", "pyzmq"):
        assert f"{name}-{version(name)}.dist-info/METADATA" in names, "the tests are installed from the same versions"
    assert {"__main__.py", "chaosdrill/load/plugin.py", "chaosdrill/client/host/agent_paths.py"} <= set(names)

    locust_zipapp.cache_clear()
    monkeypatch.setattr(wheels, "_pip", None)
    assert locust_zipapp(ARM).sha256 == packed.sha256, "what was fetched stays"


def test_a_host_like_this_machine_gets_what_is_installed_here(
    host: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "_pip", None)
    assert locust_zipapp(find_python(system, ssm_locust.locust_needs())).sha256 == locust_zipapp().sha256


def nothing_to_fetch_with(patch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    patch.setattr(importlib.util, "find_spec", lambda name, *given: None if name == "pip" else found(name, *given))


def nothing_to_fetch_from(patch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("PIP_")]:
        patch.delenv(name)
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setenv("PIP_RETRIES", "1")
    patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")


@pytest.mark.parametrize(
    ("break_it", "value"),
    [
        (nothing_to_fetch_with, "ensurepip"),
        (nothing_to_fetch_from, "No matching distribution found"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_anything_is_touched(
    break_it: Any,
    value: str,
    aws: LabAws,
    host: Path,
    configuration: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssm_locust, "find_python", lambda *given: replace(find_python(*given), machine="aarch64"))
    break_it(monkeypatch)
    with drill(tmp_path), fails_with("packages-not-fetched") as refused:
        start_load(2, 10, locustfile=str(script(tmp_path)), configuration=configuration)
    assert value in str(refused.value)
    assert not host.exists()
    assert len(aws.supervisor.asked("client.run")) == 1, "which Pythons it has"
    assert aws.client("s3", TOKYO).list_objects_v2(Bucket=BUCKET).get("Contents", []) == []
    assert list((tmp_path / "home" / "packages").iterdir()) == [], "nothing half done"


@pytest.mark.parametrize(
    ("there", "value"),
    [
        ({"python": (3, 99)}, "with Python 3.99"),
        ({"libc_version": (2, 4)}, "glibc 2."),
        ({"machine": "riscv64"}, "with Python {here} on riscv64"),
    ],
)
def test_the_way_out_is_one_that_leads_there(
    there: dict[str, Any], value: str, system: System, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_to_fetch_with(monkeypatch)
    with fails_with("packages-not-fetched") as refused:
        locust_zipapp(replace(find_python(system, ssm_locust.locust_needs()), **there))
    assert value.format(here=f"3.{sys.version_info.minor}") in str(refused.value)


def test_a_file_that_the_lock_does_not_know_is_not_installed(
    package_index: None, host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the index had been broken into: it offers a file of the same name and version, with other content."""
    wheel = "brotli-9.9-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / wheel, "w") as forged:
        forged.writestr("brotli.py", "import os; os.system('id')")
        forged.writestr("brotli-9.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: brotli\nVersion: 9.9\n")
        forged.writestr("brotli-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        forged.writestr("brotli-9.9.dist-info/RECORD", "")
    (tmp_path / "index").mkdir()
    (tmp_path / wheel).rename(tmp_path / "index" / wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    lock = tmp_path / "locust.lock"
    monkeypatch.setattr(wheels, "LOCK", lock)

    right = hashlib.sha256((tmp_path / "index" / wheel).read_bytes()).hexdigest()
    lock.write_text(f"brotli==9.9 \\\n    --hash=sha256:{right}\n")
    assert [one.name for one in wheels.fetched_locust(ARM)] == ["brotli"], "the file of the lock is taken"

    lock.write_text(f"brotli==9.9 \\\n    --hash=sha256:{'0' * 64}\n")
    with fails_with("packages-not-fetched") as refused:
        wheels.fetched_locust(ARM)
    assert "HASHES" in str(refused.value)
    assert len(list((tmp_path / "home" / "packages").iterdir())) == 1, "nothing of it is kept"
