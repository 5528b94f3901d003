"""Responses of a program on the client host over SSM: its page, its records, long responses. Standard library only.

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

from chaosdrill.client.host.agent_paths import ANSWERS, LEASE, LOG, OWNER, RECORDS, SECRET, WHAT, state
from chaosdrill.page_guard import SECRET_HEADER

MOST_PRINTED = 20_000  # characters: SSM keeps 24,000
MOST_RECORDED = 2_000_000  # bytes of a file in one response
CLOCK_WITHIN_S = 2.0
LOG_TAIL = 2_000


def records(run: str, file: str, offset: int, limit: int) -> dict[str, Any]:
    """Return part of one file of the run's records, or the list of files. Works after the program has died, too.

    :param file: name of the file; empty: list the files.
    :returns: ``{"text": whole lines, "size": bytes of the file}``, or ``{"directory", "files": {name: size}}``.
    """
    if file:
        return recorded(RECORDS / Path(file).name, offset, limit, state() is not None)
    return {"directory": str(RECORDS), "files": {path.name: path.stat().st_size for path in files(run)}}


def news(run: str, port: int, offsets: dict[str, int]) -> dict[str, Any]:
    """Return the new records of all files of a run, and the time on the process's clock.

    :param offsets: the size in bytes up to which each file is known; a file that is not named is returned from its
        beginning.
    :returns: ``{"files": {name: as of records}, "now_ns": its clock, or null when it does not respond, "alive": whether
        its keeper runs, "gone": the end of a dead one's log}``.
    """
    there = state()
    alive = bool(there and there["port"] == port)
    now_ns = clock_ns(port) if alive else None
    if alive:
        LEASE.touch()
    found = {path.name: recorded(path, offsets.get(path.name, 0), MOST_RECORDED, alive) for path in files(run)}
    return {"files": found, "now_ns": now_ns, "alive": alive, "gone": "" if alive else last_words()}


def files(run: str) -> list[Path]:
    """Return the files of records; empty when they belong to another run."""
    mine = OWNER.is_file() and OWNER.read_text() == run
    return sorted(RECORDS.glob("*.jsonl")) if mine else []


def recorded(path: Path, offset: int, limit: int, alive: bool) -> dict[str, Any]:
    """Return a file's whole lines from an offset, and an unfinished last line when the program has died."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(min(limit, MOST_RECORDED))
        size = os.fstat(file.fileno()).st_size
    if alive or offset + len(data) < size:  # the rest of the line follows with the next response
        data = data[: data.rfind(b"\n") + 1]
    return {"text": data.decode("latin-1"), "size": size}


def clock_ns(port: int) -> int | None:
    """Return the time on its process's clock, in ns since the epoch; None when it does not respond."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLOCK_WITHIN_S)
    try:
        connection.request("GET", {"locust": "/chaosdrill/clock"}.get(WHAT, "/clock"))
        return int(json.load(connection.getresponse())["now_ns"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def call(port: int, method: str, path: str, headers: dict[str, str], body: str, timeout_s: float) -> dict[str, Any]:
    """Send one HTTP request to its page and return the response."""
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
        content = answer.read().decode("latin-1")  # any bytes as text; it compresses better than base64
    except (OSError, http.client.HTTPException) as error:
        return {"silent": f"{type(error).__name__}: {error}", "late": sent and isinstance(error, TimeoutError)}
    return {"status": answer.status, "reason": answer.reason, "headers": dict(answer.getheaders()), "body": content}


def last_words() -> str:
    """Return the end of its log."""
    said = LOG.read_text(errors="replace")[-LOG_TAIL:] if LOG.exists() else ""
    return said or "and its log is gone, too"


def part(name: str, offset: int, length: int) -> None:
    """Print a part of a stored response that was too long for one command's output."""
    print((ANSWERS / Path(name).name).read_text()[offset : offset + length])  # noqa: T201 - SSM returns it


def send(name: str, url: str, host: str) -> dict[str, Any]:
    """Upload a stored response to a presigned URL.

    :param host: the host for which the URL was signed; empty: the URL's own.
    """
    data = (ANSWERS / Path(name).name).read_bytes()
    headers = {"Content-Type": "application/octet-stream", **({"Host": host} if host else {})}
    request = urllib.request.Request(url, data, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {"status": answer.status}


def drop(name: str) -> dict[str, Any]:
    """Remove a stored response."""
    (ANSWERS / Path(name).name).unlink(missing_ok=True)
    return {}


def encoded(value: Any) -> str:
    """Return a value as one word of ASCII: JSON, compressed, in base64."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode(), 9)).decode()


def printed(answer: dict[str, Any]) -> None:
    """Print a response. One that is too long is stored, and its name, length and hash are printed."""
    text = encoded(answer)
    if len(text) > MOST_PRINTED:
        ANSWERS.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=ANSWERS)
        with open(descriptor, "w") as file:
            file.write(text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        text = encoded({"kept": Path(path).name, "length": len(text), "sha256": sha256})
    print(text)  # noqa: T201 - SSM returns it
