"""The ``__main__`` of the zipapp that runs Locust on the client host. The standard library only; never imported here.

``python3.X APP COMMAND BASE64-OF-JSON`` prints one line of JSON. Commands:

- ``start``: unpacks the zipapp beside itself (C extensions cannot be imported from a zip) and starts ``keep``; when the
  run has a Locust already, that one is told of;
- ``keep``: starts Locust, holds its lifeline (``chaosdrill.load.plugin``), and ends it when it is told to, or when
  nobody has called for as long as the lease says: whoever started it may be dead;
- ``call``: one HTTP request to Locust's page; renews the lease;
- ``part``, ``send``: the rest of an answer that is longer than what SSM keeps of a command's output;
- ``end``: ends Locust and removes what it has left, all but the unpacked program.
"""

import base64
import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

APP = Path(sys.argv[0]).resolve()
CACHE = APP.parent.parent  # <cache>/<hash>/<name>
LOAD = CACHE / "load"
STATE, LEASE, LOG, ANSWERS = LOAD / "state.json", LOAD / "lease", LOAD / "locust.log", LOAD / "answers"
MOST_PRINTED = 20_000  # characters: SSM keeps 24,000
ENDS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.2
IN_USE_S = 60.0  # a Locust that was called so recently belongs to a drill that goes on
LOG_TAIL = 2_000


def unpacked() -> Path:
    """:returns: the directory of the unpacked program; whole from the moment it exists."""
    there = APP.with_name("unpacked")
    if not there.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix="unpacking-", dir=APP.parent))
        with zipfile.ZipFile(APP) as archive:
            archive.extractall(unfinished)
        try:
            unfinished.rename(there)
        except OSError:  # another one was quicker
            shutil.rmtree(unfinished)
    return there


def start_time(pid: int) -> str:
    """:returns: what tells this process from a later one with the same number; empty: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    words = text.rpartition(")")[2].split()
    return "" if words[0] == "Z" else words[19]


def state() -> dict[str, Any] | None:
    """:returns: the Locust that runs; None without one."""
    try:
        found: dict[str, Any] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return None
    return found if start_time(found["pid"]) == found["since"] != "" else None


def idle_s() -> float:
    """:returns: how long nobody has called, in seconds."""
    with contextlib.suppress(OSError):
        return max(0.0, time.time() - LEASE.stat().st_mtime)
    return float("inf")


def start(run: str, script: str, lease_s: float) -> dict[str, Any]:
    """Start Locust, or find the one that this run has.

    :param run: whose it is.
    :param script: path of the load script; empty: the reference application's.
    :param lease_s: after how many seconds without a call it ends by itself.
    """
    LOAD.mkdir(exist_ok=True)
    with open(LOAD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = state()
        wanted = {"run": run, "app": str(APP), "script": script}
        if there and {**there, **wanted} == there:
            LEASE.touch()
            return {"port": there["port"], "attached": True}
        if there and there["run"] != run and idle_s() < IN_USE_S:
            return {"in_use": there["run"], "idle_s": round(idle_s(), 1), "lease_s": there["lease_s"]}
        finish(there)
        return {"port": begin(wanted, lease_s), "attached": False}


def begin(wanted: dict[str, Any], lease_s: float) -> int:
    """Start ``keep``, in a session of its own, so that it stays when this command ends."""
    unpacked()
    LEASE.touch()
    with socket.create_server(("127.0.0.1", 0)) as page, open(LOG, "wb") as log:
        port = int(page.getsockname()[1])
        given = encoded({"script": wanted["script"], "page": page.fileno(), "lease_s": lease_s})
        keeper = subprocess.Popen(
            [sys.executable, str(APP), "keep", given],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[page.fileno()],
            start_new_session=True,
        )
    known = {**wanted, "port": port, "pid": keeper.pid, "since": start_time(keeper.pid), "lease_s": lease_s}
    unfinished = STATE.with_suffix(".new")
    unfinished.write_text(json.dumps({**known, "python": sys.executable}))
    unfinished.replace(STATE)
    return port


def keep(script: str, page: int, lease_s: float) -> None:
    """Be Locust's keeper until it has ended."""
    root = unpacked()
    plugin = root / "chaosdrill" / "load" / "plugin.py"
    locustfile = Path(script) if script else plugin.with_name("reference.py")
    theirs, ours = os.pipe()
    names = {"CHAOSDRILL_LOAD_FD": page, "CHAOSDRILL_LOAD_LIFELINE": theirs, "PYTHONUNBUFFERED": 1, "PYTHONPATH": root}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    locust = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", f"{plugin},{locustfile}"],
        stdin=subprocess.DEVNULL,
        pass_fds=[page, theirs],
        env=kept | {name: str(value) for name, value in names.items()},
        cwd=locustfile.parent,
        start_new_session=True,
    )
    os.close(theirs)
    os.close(page)
    signal.signal(signal.SIGTERM, lambda *_: end_in_order(locust))
    if watch(locust, lease_s):
        print(f"nobody has called for {lease_s:g} s: Locust ends", flush=True)  # noqa: T201 - its log
        end_in_order(locust)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(locust.pid, signal.SIGKILL)  # processes that it has started
    os.close(ours)


def watch(locust: "subprocess.Popen[bytes]", lease_s: float) -> bool:
    """:returns: whether the lease has run out; False: Locust has ended."""
    renewed, called = 0, time.monotonic()
    while locust.poll() is None:
        with contextlib.suppress(OSError):
            if (seen := LEASE.stat().st_mtime_ns) != renewed:  # a clock that is set must not end it
                renewed, called = seen, time.monotonic()
        if time.monotonic() - called > lease_s:
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def end_in_order(locust: "subprocess.Popen[bytes]") -> None:
    """End Locust as a user would, and if that does not help, at once."""
    locust.terminate()
    try:
        locust.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        locust.kill()
        locust.wait()


def finish(there: dict[str, Any] | None) -> bool:
    """End the Locust that is there, and remove what it has left.

    :returns: whether there was one.
    """
    if there:
        with contextlib.suppress(ProcessLookupError):
            os.kill(there["pid"], signal.SIGTERM)
        give_up = time.monotonic() + 2 * ENDS_WITHIN_S
        while start_time(there["pid"]) == there["since"] and time.monotonic() < give_up:
            time.sleep(0.05)
    for path in (STATE, LEASE):
        path.unlink(missing_ok=True)
    shutil.rmtree(ANSWERS, ignore_errors=True)
    return there is not None


def end(run: str) -> dict[str, Any]:
    """End this run's Locust, and hand out its log; another run's is let be."""
    with open(LOAD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = state()
        if there and there["run"] != run:
            return {"ended": False, "log": ""}
        ended = finish(there)
        log = LOG.read_text(errors="replace") if LOG.exists() else ""
        LOG.unlink(missing_ok=True)
        return {"ended": ended, "log": log}


def call(port: int, method: str, path: str, headers: dict[str, str], body: str, timeout_s: float) -> dict[str, Any]:
    """One request to Locust's page."""
    there = state()
    if not there or there["port"] != port:
        said = LOG.read_text(errors="replace")[-LOG_TAIL:] if LOG.exists() else ""
        return {"gone": said or "and its log is gone, too"}
    LEASE.touch()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body.encode("latin-1") or None, headers)
        answer = connection.getresponse()
        content = answer.read().decode("latin-1")  # any bytes as text, which is then compressed better than base64
    except (OSError, http.client.HTTPException) as error:
        return {"silent": f"{type(error).__name__}: {error}"}
    return {"status": answer.status, "reason": answer.reason, "headers": dict(answer.getheaders()), "body": content}


def part(name: str, offset: int, length: int) -> None:
    """Print some of an answer that was too long to be printed as a whole."""
    print((ANSWERS / Path(name).name).read_text()[offset : offset + length])  # noqa: T201 - what SSM hands on


def send(name: str, url: str) -> dict[str, Any]:
    """Send such an answer to a presigned URL."""
    data = (ANSWERS / Path(name).name).read_bytes()
    request = urllib.request.Request(url, data, {"Content-Type": "application/octet-stream"}, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {"status": answer.status}


def drop(name: str) -> dict[str, Any]:
    """Remove such an answer."""
    (ANSWERS / Path(name).name).unlink(missing_ok=True)
    return {}


def encoded(value: Any) -> str:
    """:returns: it as one word of ASCII."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def printed(answer: dict[str, Any]) -> None:
    """Print an answer; one that is too long is kept, and its name and length are printed."""
    text = encoded(answer)
    if len(text) > MOST_PRINTED:
        ANSWERS.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=ANSWERS)
        with open(descriptor, "w") as file:
            file.write(text)
        text = encoded({"kept": Path(path).name, "length": len(text)})
    print(text)  # noqa: T201 - what SSM hands on


def main() -> None:
    """Do what the command line says."""
    os.umask(0o077)
    command, given = sys.argv[1], json.loads(zlib.decompress(base64.b64decode(sys.argv[2])))
    silent: dict[str, Callable[..., None]] = {"keep": keep, "part": part}
    if command in silent:
        silent[command](**given)
        return
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "start": start,
        "end": end,
        "call": call,
        "send": send,
        "drop": drop,
    }
    printed(commands[command](**given))


if __name__ == "__main__":
    main()
