"""The heartbeat on the client host: packed so that any Python runs it, brought in few commands, refused in words."""

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.client.heartbeat_records import HeartbeatFiles, collected
from chaosdrill.client.host import delivery
from chaosdrill.client.host.packing import HEARTBEAT, heartbeat_zipapp
from chaosdrill.client.host.pythons import find_python
from tests.contract.activities_rig import Rig, drill
from tests.contract.lab_aws import LabAws
from tests.failing import fails_with

pytestmark = pytest.mark.long


@pytest.fixture
def host(aws: LabAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client host keeps what is delivered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chaosdrill"


@pytest.fixture
def system(aws: LabAws) -> System:
    return system_of(Rig(aws).configuration)


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    app = tmp_path / "heartbeat.pyz"
    app.write_bytes(heartbeat_zipapp().data)
    with zipfile.ZipFile(app) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert {"__main__.py", "chaosdrill/heartbeat/__main__.py"} <= set(names)
    assert not [name for name in names if name.endswith(("actions.py", "probes.py"))], "these need Chaos Toolkit"
    seen = subprocess.run(
        [
            sys.executable,
            "-S",
            "-m",
            "chaosdrill.heartbeat",
            str(tmp_path / "no-settings.json"),
        ],  # -S: bare
        env={"PYTHONPATH": str(tmp_path / "unpacked")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no-settings.json" in seen.stdout + seen.stderr
    assert "ModuleNotFoundError" not in seen.stderr


def test_the_same_installation_gives_the_same_archive() -> None:
    first = heartbeat_zipapp()
    heartbeat_zipapp.cache_clear()
    assert heartbeat_zipapp().sha256 == first.sha256


def test_it_is_brought_in_few_commands_and_once(aws: LabAws, host: Path, system: System) -> None:
    app = heartbeat_zipapp()
    python = find_python(system, HEARTBEAT)
    aws.supervisor.calls.clear()
    path = delivery.deliver(system, python, app)
    assert Path(path).read_bytes() == app.data
    assert len(aws.supervisor.asked("client.run")) <= 3, "one look, and its text"
    aws.supervisor.calls.clear()
    delivery.deliver(system, python, app)
    assert len(aws.supervisor.asked("client.run")) == 1


def test_any_newer_python_will_do(system: System, host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "bin"
    other.mkdir()
    (other / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{other}:{os.environ['PATH']}")
    assert (HEARTBEAT.implementation, HEARTBEAT.libc) == ("", ""), "any"
    assert find_python(system, HEARTBEAT).python >= (3, 11)
    with fails_with("client-python-missing"):
        find_python(system, replace(HEARTBEAT, python=(9, 1)))
    assert not host.exists(), "nothing was delivered"


def test_what_was_collected_is_told_with_its_hash_and_whether_it_is_whole(tmp_path: Path) -> None:
    kept = HeartbeatFiles(tmp_path, ("beats.jsonl", "ledger.jsonl"))
    kept.append("beats.jsonl", b'{"chaosdrill":"beats"}\n["b",0]\n')
    assert kept.sizes() == {"beats.jsonl": 31}
    kept.append("beats.jsonl", b'["e",7,[1]]\n')
    with drill(tmp_path) as one:
        kept.tell()
        kept.tell()
        rows = one.history.events("records-collected")
    assert [(row["file"], row["rows"], row["complete"]) for row in rows] == [
        ("beats.jsonl", 3, True),
        ("ledger.jsonl", 0, False),
    ]
    assert rows[1]["sha256"] is None
    digest = subprocess.run(["sha256sum", tmp_path / "beats.jsonl"], capture_output=True, text=True, check=True).stdout
    assert rows[0]["sha256"] == digest.split()[0]


@pytest.mark.parametrize("end", [b"", b'["b",1]\n', b'["e",7,[1]]', b'{"row":"write"}\n', b"[1", b"\n"])
def test_records_without_their_last_row_are_not_whole(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "beats.jsonl"
    path.write_bytes(b'["b",0]\n' + end)
    told = collected(path)
    assert not told.complete
    assert told.why
    assert collected(path, "unplugged").why == "unplugged"
