"""What is delivered to the client host: packed so that it needs nothing there, brought whole, refused where it cannot
run."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import delivery
from chaosdrill.client.host.distributions import compatibility_of, installed_locust
from chaosdrill.client.host.packing import Archive, locust_needs, locust_zipapp
from chaosdrill.client.host.pythons import Needs, find_python
from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.lab_aws import LabAws
from tests.failing import fails_with
from tests.further import first_of

ARCHIVE = Archive("thing.bin", os.urandom(3 * delivery.INLINE_BYTES + 5))
BUCKET = "delivered"


@pytest.fixture
def host(aws: LabAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client host keeps what is delivered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chaosdrill"


def system(aws: LabAws, directory: Path, **how: Any) -> System:
    path = directory / "topology.json"
    rig = Rig(aws)
    return system_of(rig.other_topology(path, client=rig.client_host(run="ssm", **how)))


@pytest.fixture
def inline(aws: LabAws, tmp_path: Path) -> System:
    return system(aws, tmp_path)


@pytest.fixture
def over_s3(aws: LabAws, tmp_path: Path) -> Iterator[System]:
    s3 = aws.client("s3", TOKYO)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": TOKYO})
    yield system(aws, tmp_path, s3=f"{BUCKET}/drills/")
    for key in keys(aws):
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)


def keys(aws: LabAws) -> list[str]:
    return [one["Key"] for one in aws.client("s3", TOKYO).list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def here() -> Needs:
    return locust_needs()


def commands(aws: LabAws) -> list[str]:
    return [str(one["command"]) for one in aws.supervisor.asked("client.run")]


@pytest.mark.long
def test_the_zipapp_runs_locust_where_nothing_else_is_installed(tmp_path: Path) -> None:
    app = locust_zipapp()
    with zipfile.ZipFile(write(tmp_path / "app", app.data)) as archive:
        archive.extractall(tmp_path / "unpacked")
    look = "import locust.main, brotli, zmq, chaosdrill.load.plugin, sys; print({m.__file__ for m in [locust, brotli]})"
    seen = subprocess.run(
        [sys.executable, "-S", "-c", look],  # -S: without what is installed
        env={"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen.stdout.count(str(tmp_path / "unpacked")) == 2, seen.stderr


@pytest.mark.long
def test_the_same_installation_gives_the_same_archive() -> None:
    first = locust_zipapp()
    locust_zipapp.cache_clear()
    assert locust_zipapp().sha256 == first.sha256


def test_it_is_told_what_the_extensions_need_of_the_c_library() -> None:
    needs = compatibility_of(installed_locust())
    assert (needs.python, needs.implementation) == (sys.version_info[:2], "cpython")
    assert needs.libc == "glibc"
    assert (2, 5) <= needs.libc_version <= (2, 40), "of the wheels, not of this machine"


@pytest.mark.parametrize("way", first_of(["inline", "over_s3"]))
def test_a_file_is_brought_once_and_whole(way: str, aws: LabAws, host: Path, request: pytest.FixtureRequest) -> None:
    there: System = request.getfixturevalue(way)
    python = find_python(there, here())
    path = Path(delivery.deliver(there, python, ARCHIVE))
    assert path.read_bytes() == ARCHIVE.data
    assert path.parent.parent == host
    assert path.stat().st_mode & 0o077 == 0, "nobody else's"
    assert list(path.parent.iterdir()) == [path]
    aws.supervisor.calls.clear()
    assert delivery.deliver(there, python, ARCHIVE) == str(path)
    assert len(commands(aws)) == 1, "one look"


@pytest.mark.long
def test_it_is_uploaded_only_when_it_is_not_in_the_bucket(aws: LabAws, host: Path, over_s3: System) -> None:
    python = find_python(over_s3, here())
    path = Path(delivery.deliver(over_s3, python, ARCHIVE))
    assert keys(aws) == [f"drills/{ARCHIVE.sha256}/thing.bin"]
    at = {"Bucket": BUCKET, "Key": keys(aws)[0]}
    written = aws.client("s3", TOKYO).head_object(**at)["LastModified"]
    path.unlink()
    delivery.deliver(over_s3, python, ARCHIVE)
    assert path.read_bytes() == ARCHIVE.data
    assert aws.client("s3", TOKYO).head_object(**at)["LastModified"] == written


@pytest.mark.long
def test_what_was_cut_off_is_gone_on_with(aws: LabAws, host: Path, inline: System) -> None:
    python = find_python(inline, here())
    path = Path(delivery.deliver(inline, python, ARCHIVE))
    path.unlink()
    parts = Path(f"{path}.parts")
    parts.mkdir()
    for number in (0, 2):
        offset = number * delivery.INLINE_BYTES
        write(parts / f"{offset:09d}", ARCHIVE.data[offset : offset + delivery.INLINE_BYTES])
    write(parts / f".{3 * delivery.INLINE_BYTES:09d}.4711", b"half of a par")
    aws.supervisor.calls.clear()
    delivery.deliver(inline, python, ARCHIVE)
    assert path.read_bytes() == ARCHIVE.data
    assert len([one for one in commands(aws) if "base64 -d" in one]) == 2
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.long
def test_many_parts_are_brought_some_at_a_time(aws: LabAws, host: Path, inline: System) -> None:
    """SSM's agent runs five commands at the same time, and a whole Locust is more than 300 of them."""
    large = Archive("large.bin", os.urandom(20 * delivery.INLINE_BYTES - 7))
    aws.supervisor.most_at_once = 0
    path = Path(delivery.deliver(inline, find_python(inline, here()), large))
    assert path.read_bytes() == large.data
    assert 1 < aws.supervisor.most_at_once <= delivery.AT_ONCE


@pytest.mark.long
def test_a_command_that_comes_late_and_twice_leaves_nothing(aws: LabAws, host: Path, inline: System) -> None:
    path = Path(delivery.deliver(inline, find_python(inline, here()), ARCHIVE))
    for command in [one for one in commands(aws) if "base64 -d" in one]:
        run_on_client(inline, command)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("way", first_of(["inline", "over_s3"]))
def test_what_is_not_what_it_should_be_is_not_used(
    way: str, aws: LabAws, host: Path, request: pytest.FixtureRequest
) -> None:
    there: System = request.getfixturevalue(way)
    python = find_python(there, here())
    place = host / ARCHIVE.sha256[:32] / ARCHIVE.name
    if way == "inline":
        Path(f"{place}.parts").mkdir(parents=True)
        write(Path(f"{place}.parts") / f"{0:09d}", bytes(delivery.INLINE_BYTES))
    else:
        at = {"Bucket": BUCKET, "Key": f"drills/{ARCHIVE.sha256}/thing.bin"}
        aws.client("s3", TOKYO).put_object(**at, Body=b"something else")
    with fails_with("client-command-failed") as refused:
        delivery.deliver(there, python, ARCHIVE)
    assert re.search(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", str(refused.value)), "the id of the SSM command"
    assert "X-Amz" not in str(refused.value), "a presigned URL is a key to the bucket"
    assert not place.exists()


@pytest.mark.long
def test_what_is_too_large_for_commands_is_refused_before_the_first(
    host: Path, inline: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MOST_INLINE_BYTES", 50_000)
    with fails_with("delivery-too-large"):
        delivery.deliver(inline, find_python(inline, here()), ARCHIVE)
    assert list(host.rglob("*.part*")) == []


@pytest.mark.parametrize(
    ("other", "value"),
    first_of(
        [
            ({"python": (3, 19)}, "CPython 3.19"),
            ({"implementation": "pypy"}, "pypy"),
            ({"libc": "musl"}, "musl"),
        ]
    ),
)
def test_a_host_that_cannot_run_it_is_refused(other: dict[str, Any], value: str, host: Path, inline: System) -> None:
    needs = here()
    assert needs.installed is not None
    elsewhere = replace(needs.installed, machine="riscv64")
    with fails_with("client-python-missing") as refused:
        find_python(inline, replace(needs, installed=elsewhere, **other))
    assert value in str(refused.value)
    assert not host.exists(), "nothing was delivered"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def altered(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"import os; os.system('id')")


def linked(path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")


def is_a_directory(path: Path, tmp_path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("attack", first_of([altered, linked, is_a_directory]))
def test_what_is_there_is_used_only_as_it_was_delivered(
    attack: Callable[[Path, Path], None], host: Path, inline: System, tmp_path: Path
) -> None:
    python = find_python(inline, here())
    path = Path(delivery.deliver(inline, python, ARCHIVE))
    attack(path, tmp_path)
    assert delivery.deliver(inline, python, ARCHIVE) == str(path)
    assert (path.is_symlink(), path.read_bytes()) == (False, ARCHIVE.data)


@pytest.mark.long
@pytest.mark.parametrize("place", first_of([".", ".."]))
def test_a_directory_that_others_may_write_is_not_delivered_into(place: str, host: Path, inline: System) -> None:
    python = find_python(inline, here())
    path = Path(delivery.deliver(inline, python, ARCHIVE))
    (path.parent / place).chmod(0o777)
    with fails_with("client-command-failed"):
        delivery.deliver(inline, python, ARCHIVE)


@pytest.mark.long
def test_a_link_under_the_name_of_a_half_written_file_is_not_followed(
    host: Path, inline: System, tmp_path: Path
) -> None:
    python = find_python(inline, here())
    path = Path(delivery.deliver(inline, python, ARCHIVE))
    path.unlink()
    (tmp_path / "precious").write_text("precious")
    path.with_name(f"{path.name}.part").symlink_to(tmp_path / "precious")
    delivery.deliver(inline, python, ARCHIVE)
    assert (tmp_path / "precious").read_text() == "precious"
