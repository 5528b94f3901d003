"""What a program of the client host answers over SSM: its page, what it has recorded, long answers. The standard
library only.

Part of the zipapp: see ``program``.
"""

import base64
import hashlib
import http.client
import json
import os
import tempfile
import urllib.request
import zlib
from pathlib import Path
from typing import Any

from chaosdrill.client.host.place import ANSWERS, LEASE, LOG, OWNER, RECORDS, SECRET, WHAT, state
from chaosdrill.page_guard import SECRET_HEADER

MOST_PRINTED = 20_000  # characters: SSM keeps 24,000
MOST_RECORDED = 2_000_000  # bytes of a file in one answer
CLOCK_WITHIN_S = 2.0
LOG_TAIL = 2_000


def records(run: str, file: str, offset: int, limit: int) -> dict[str, Any]:
    """What a file of the run's records holds, also when who has written it has died.

    :param file: its name; empty: which files there are.
    :returns: ``{"text": whole lines, "size": bytes of the file}``, or ``{"directory", "files": {name: size}}``.
    """
    if file:
        return recorded(RECORDS / Path(file).name, offset, limit, state() is not None)
    return {"directory": str(RECORDS), "files": {path.name: path.stat().st_size for path in files(run)}}


def news(run: str, port: int, offsets: dict[str, int]) -> dict[str, Any]:
    """What was recorded in all files of a run, and what the clock of the process says.

    :param offsets: up to where each file is known already, in bytes; one that is not named is wanted whole.
    :returns: ``{"files": {name: as of records}, "now_ns": its clock, or null when it does not answer, "alive": whether
        its keeper is there, "gone": what a dead one has said last}``.
    """
    there = state()
    alive = bool(there and there["port"] == port)
    now_ns = clock_ns(port) if alive else None
    if alive:
        LEASE.touch()
    found = {path.name: recorded(path, offsets.get(path.name, 0), MOST_RECORDED, alive) for path in files(run)}
    return {"files": found, "now_ns": now_ns, "alive": alive, "gone": "" if alive else last_words()}


def files(run: str) -> list[Path]:
    """:returns: what is recorded so far; nothing when it is another run's."""
    mine = OWNER.is_file() and OWNER.read_text() == run
    return sorted(RECORDS.glob("*.jsonl")) if mine else []


def recorded(path: Path, offset: int, limit: int, alive: bool) -> dict[str, Any]:
    """:returns: what a file holds from an offset on: whole lines, and of a dead one also what is left of a line."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(min(limit, MOST_RECORDED))
        size = os.fstat(file.fileno()).st_size
    if alive or offset + len(data) < size:  # the rest of the line comes with the next answer
        data = data[: data.rfind(b"\n") + 1]
    return {"text": data.decode("latin-1"), "size": size}


def clock_ns(port: int) -> int | None:
    """:returns: what its process takes for the time, in ns since the epoch; None when it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLOCK_WITHIN_S)
    try:
        connection.request("GET", {"locust": "/chaosdrill/clock"}.get(WHAT, "/clock"))
        return int(json.load(connection.getresponse())["now_ns"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def call(port: int, method: str, path: str, headers: dict[str, str], body: str, timeout_s: float) -> dict[str, Any]:
    """One request to its page."""
    there = state()
    if not there or there["port"] != port:
        return {"gone": last_words()}
    LEASE.touch()
    headers = {**headers, SECRET_HEADER: SECRET.read_text()}
    connection, sent = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s), False
    try:
        connection.request(method, path, body.encode("latin-1") or None, headers)
        sent = True
        answer = connection.getresponse()
        content = answer.read().decode("latin-1")  # any bytes as text, which is then compressed better than base64
    except (OSError, http.client.HTTPException) as error:
        return {"silent": f"{type(error).__name__}: {error}", "late": sent and isinstance(error, TimeoutError)}
    return {"status": answer.status, "reason": answer.reason, "headers": dict(answer.getheaders()), "body": content}


def last_words() -> str:
    """:returns: the end of its log."""
    said = LOG.read_text(errors="replace")[-LOG_TAIL:] if LOG.exists() else ""
    return said or "and its log is gone, too"


def part(name: str, offset: int, length: int) -> None:
    """Print some of an answer that was too long to be printed as a whole."""
    print((ANSWERS / Path(name).name).read_text()[offset : offset + length])  # noqa: T201 - what SSM hands on


def send(name: str, url: str, host: str) -> dict[str, Any]:
    """Send such an answer to a presigned URL.

    :param host: the host for which it was signed; empty: the URL's.
    """
    data = (ANSWERS / Path(name).name).read_bytes()
    headers = {"Content-Type": "application/octet-stream", **({"Host": host} if host else {})}
    request = urllib.request.Request(url, data, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {"status": answer.status}


def drop(name: str) -> dict[str, Any]:
    """Remove such an answer."""
    (ANSWERS / Path(name).name).unlink(missing_ok=True)
    return {}


def encoded(value: Any) -> str:
    """:returns: it as one word of ASCII."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode(), 9)).decode()


def printed(answer: dict[str, Any]) -> None:
    """Print an answer; one that is too long is kept, and its name and length are printed."""
    text = encoded(answer)
    if len(text) > MOST_PRINTED:
        ANSWERS.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=ANSWERS)
        with open(descriptor, "w") as file:
            file.write(text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        text = encoded({"kept": Path(path).name, "length": len(text), "sha256": sha256})
    print(text)  # noqa: T201 - what SSM hands on
