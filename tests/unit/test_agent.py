"""What runs on the client host, and what it answers: as it was delivered, and as it was told over SSM."""

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.client.host import delivery, remote_program
from chaosdrill.client.host.agent_responses import encoded
from chaosdrill.heartbeat.operation import Operation
from chaosdrill.heartbeat.target import BeatTarget
from tests.failing import fails_with
from tests.unit.test_topology import RIGHT, problems

PACKAGE = Path(remote_program.__file__).parents[2]


def test_what_was_unpacked_before_is_not_used(tmp_path: Path) -> None:
    app = tmp_path / "app.pyz"
    with zipfile.ZipFile(app, "w") as archive:
        archive.writestr("good.py", "right = True")
    unpacked = tmp_path / "unpacked"
    for attack in ("altered", "added", "linked"):
        code = f"import sys; sys.argv = [{str(app)!r}]; from chaosdrill.client.host import agent; agent.unpack()"
        if attack == "linked":
            (tmp_path / "theirs").mkdir()
            unpacked.rename(tmp_path / "old")
            unpacked.symlink_to(tmp_path / "theirs")
        elif unpacked.exists():
            (unpacked / "good.py").write_text("wrong = True")
            (unpacked / "sitecustomize.py").write_text("wrong = True")
        subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True)
        assert not unpacked.is_symlink()
        assert {path.name: path.read_text() for path in unpacked.iterdir()} == {"good.py": "right = True"}, attack
    assert {path.name for path in tmp_path.glob("unpacking-*")} == set(), "nothing is left"


LONG = {"text": "x" * 30_000}


@pytest.mark.parametrize(
    ("bucket", "came"),
    [
        ("bucket", encoded({"text": "another one"})),
        ("bucket", encoded(LONG) + "A" * 10_000_000),
        ("", encoded({"text": "another one"})),
        ("bucket", encoded(LONG)),
        ("", encoded(LONG)),
    ],
)
def test_a_long_answer_has_the_hash_that_was_told_over_ssm(
    bucket: str, came: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = encoded(LONG)
    read: list[int] = []

    class Bucket:
        def get_object(self, **_: Any) -> dict[str, Any]:
            return {"Body": self}

        def read(self, most: int) -> bytes:
            read.append(most)
            return came.encode()[:most]

        def delete_object(self, **_: Any) -> None: ...

    def run(system: Any, script: str, *_: Any, **__: Any) -> Any:
        words = script.split()
        if "part" in words:
            given = json.loads(zlib.decompress(base64.b64decode(words[2])))
            return SimpleNamespace(stdout=came[given["offset"] : given["offset"] + given["length"]])
        told = {"kept": "name", "length": len(right), "sha256": hashlib.sha256(right.encode()).hexdigest()}
        return SimpleNamespace(stdout=encoded(told if "news" in words else {}))

    monkeypatch.setattr(remote_program, "run_on_client", run)
    monkeypatch.setattr(remote_program, "CALL_EVERY_S", 0.0)
    monkeypatch.setattr(delivery, "place", lambda *_: (Bucket(), {}))
    monkeypatch.setattr(delivery, "presigned", lambda *_: ("https://bucket", ""))
    system: Any = SimpleNamespace(topology=SimpleNamespace(client=SimpleNamespace(s3=bucket)))
    program = remote_program.Program(system, "python3", "/app.pyz")
    if came == right:
        assert program.ask("news") == LONG
        return
    with fails_with("client-response-altered"):
        program.ask("news")
    assert all(most <= len(right) + 1 for most in read), "no more is read than was told"


@pytest.mark.parametrize("name", ["id", "account"])
def test_an_id_that_an_application_answers_does_not_add_a_header(name: str) -> None:
    operation = Operation("settled", "GET", "/t", {"X-Id": f"{{{name}}}"}, frozenset({200}))
    hostile = "1\r\nX-Admin: yes\r\n\r\nGET /other HTTP/1.1"
    values = {"identity" if name == "id" else name: hostile}
    sent = operation.request(BeatTarget(False, "h", 80, "h", ""), **values)  # type: ignore[arg-type]
    head, _, body = sent.partition(b"\r\n\r\n")
    assert (b"X-Admin: yes" in head.split(b"\r\n"), body) == (False, b"")
    assert b"X-Id: 4711" in operation.request(BeatTarget(False, "h", 80, "h", ""), account="4711", identity="4711")


@pytest.mark.parametrize(
    "header", ['"X-A": "a\\r\\nX-B: b"', '"X-A\\r\\nX-B": b', '"X-A": "a\\n"', '"X A": a', '"": a']
)
def test_a_header_in_a_topology_is_one_line(header: str, tmp_path: Path) -> None:
    heartbeat = f"heartbeat: {{read: {{method: GET, path: /, headers: {{{header}}}}}}}\n"
    (found,) = problems(tmp_path, RIGHT + heartbeat)
    assert "heartbeat.read.headers" in found
