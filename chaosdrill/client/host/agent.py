"""The ``__main__`` of a zipapp that runs Locust (``locust.pyz``) or the heartbeat (``heartbeat.pyz``) on the client
host.

Standard library only; never imported on this machine.

``python3.X APP COMMAND`` reads base64 of compressed JSON from its standard input and prints one line. The input is not
in the arguments, which every user of the host can read. Commands:

- ``start``: unpacks the zipapp beside itself, each time (C extensions cannot be imported from a zip), and starts
  ``keep``; when the run has one running already, returns that one;
- ``settle``: waits until no start is under way, prevents one that comes late, and returns the program's state;
- ``keep``: starts the program, holds its lifeline (``chaosdrill.load.plugin``), and ends it on SIGTERM, or when its
  lease expires without a call: the process that started it may be dead;
- ``call``: sends one HTTP request to its page; renews the lease;
- ``records``, ``news``: return its records, also after it has died; ``news`` renews the lease and returns its clock;
- ``part``, ``send``, ``drop``: return and remove a response that is longer than the command output that SSM keeps;
- ``end``: ends it; ``clean``: removes its files except the unpacked program.
"""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from chaosdrill.client.host.agent_paths import (
    ANSWERS,
    APP,
    LEASE,
    LOG,
    NAME,
    OWNER,
    PLACE,
    RECORDS,
    SECRET,
    STATE,
    WHAT,
    idle_s,
    start_time,
    state,
)
from chaosdrill.client.host.agent_responses import call, drop, encoded, news, part, printed, records, send
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret

LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 5.0
IN_USE_S = 60.0  # a program that was called this recently belongs to a running drill
Launch = tuple[list[str], Path, dict[str, Any]]  # words after `python -m`, directory, variables


UNPACKED = APP.with_name("unpacked")


def unpack() -> None:
    """Unpack the program again: APP's hash was checked, but files unpacked earlier were not."""
    unfinished = Path(tempfile.mkdtemp(prefix="unpacking-", dir=APP.parent))
    with zipfile.ZipFile(APP) as archive:
        archive.extractall(unfinished)
    if UNPACKED.is_symlink():
        UNPACKED.unlink()
    elif UNPACKED.exists():
        UNPACKED.rename(before := Path(tempfile.mkdtemp(prefix="unpacking-", dir=APP.parent)) / "before")
        shutil.rmtree(before.parent)
    unfinished.rename(UNPACKED)


def start(run: str, given: dict[str, Any], lease_s: float, token: str, secrets_file: str = "") -> dict[str, Any]:
    """Start the program, or return the one that this run has running.

    :param run: the run that it belongs to.
    :param token: identifies this command. SSM may run a command twice when it was re-sent after a late response, and
        the second run may come after the program of the first was ended.
    :param given: its settings: ``{"script": path}`` (empty: the reference application's), or a heartbeat's settings.
    :param lease_s: after how many seconds without a call it ends by itself.
    :param secrets_file: the secrets whose placeholders are in ``given``; the file is removed.
    """
    secrets = read_once(secrets_file)
    PLACE.mkdir(exist_ok=True)
    with open(PLACE / "lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = state()
        if not first_time(token, lock):
            return {"port": there["port"] if there else 0, "attached": True}
        wanted = {"run": run, "app": str(APP), "given": given}
        if there and {**there, **wanted} == there:
            LEASE.touch()
            return {"port": there["port"], "attached": True}
        if there and there["run"] != run and idle_s() < IN_USE_S:
            return {"in_use": there["run"], "idle_s": round(idle_s(), 1), "lease_s": there["lease_s"]}
        finish(there)
        remove()
        return {"port": begin(wanted, lease_s, secrets), "attached": False}


def read_once(path: str) -> dict[str, str]:
    """Return the secrets in a file, and remove the file; empty when it was read before."""
    try:
        found: dict[str, str] = json.loads(Path(path).read_text())["secrets"] if path else {}
    except FileNotFoundError:
        return {}
    if path:
        Path(path).unlink()
    return found


def first_time(token: str, lock: TextIO) -> bool:
    """Return whether no command with this token has run here before; the lock file stores the tokens."""
    lock.seek(0)
    if token in lock.read().split():
        return False
    lock.write(f"{token}\n")
    lock.flush()
    return True


def settle(token: str) -> dict[str, Any]:
    """Return the stored state of the program, once no start is under way; a start with this token that comes later
    starts nothing.
    """
    PLACE.mkdir(exist_ok=True)
    with open(PLACE / "lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first_time(token, lock)
        return {"state": json.loads(STATE.read_text()) if STATE.exists() else None}


def begin(wanted: dict[str, Any], lease_s: float, secrets: dict[str, str]) -> int:
    """Start ``keep`` in its own session, so that it outlives this command."""
    unpack()
    LEASE.touch()
    RECORDS.mkdir()
    OWNER.write_text(wanted["run"])
    SECRET.write_text(new_secret())
    with socket.create_server(("127.0.0.1", 0)) as page, open(LOG, "wb") as log:
        port = int(page.getsockname()[1])
        told = {"run": wanted["run"], "given": wanted["given"], "page": page.fileno(), "lease_s": lease_s}
        keeper = subprocess.Popen(
            [sys.executable, str(APP), "keep"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[page.fileno()],
            start_new_session=True,
        )
    hand_on(keeper, encoded({**told, "secrets": secrets}))
    known = {**wanted, "port": port, "pid": keeper.pid, "since": start_time(keeper.pid), "lease_s": lease_s}
    unfinished = STATE.with_suffix(".new")
    unfinished.write_text(json.dumps({**known, "python": sys.executable}))
    unfinished.replace(STATE)
    return port


def hand_on(keeper: "subprocess.Popen[bytes]", told: str) -> None:
    """Send a keeper its settings."""
    assert keeper.stdin is not None
    with contextlib.suppress(BrokenPipeError), keeper.stdin as stdin:  # if it has ended, its log says why
        stdin.write(told.encode())


def keep(run: str, given: dict[str, Any], page: int, lease_s: float, secrets: dict[str, str]) -> None:
    """Run the program and supervise it until it ends."""
    root = UNPACKED
    given = put_back(given, secrets)
    theirs, ours = os.pipe()
    launch = {"locust": locust, "heartbeat": heartbeat}[WHAT]
    words, directory, names = launch(root, run, given, page, theirs)
    names |= {"PYTHONUNBUFFERED": 1, "PYTHONPATH": root, SECRET_VARIABLE: SECRET.read_text()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    kept_one = subprocess.Popen(
        [sys.executable, "-m", *words],
        stdin=subprocess.DEVNULL,
        pass_fds=[page, theirs],
        env=kept | {name: str(value) for name, value in names.items()},
        cwd=directory,
        start_new_session=True,
    )
    os.close(theirs)
    os.close(page)
    signal.signal(signal.SIGTERM, lambda *_: end_in_order(kept_one))
    if watch(kept_one, lease_s):
        print(f"no call for {lease_s:g} s: {NAME} ends", flush=True)  # noqa: T201 - goes to its log
        end_in_order(kept_one)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(kept_one.pid, signal.SIGKILL)  # processes that it has started
    os.close(ours)


def locust(root: Path, run: str, given: dict[str, Any], page: int, lifeline: int) -> Launch:
    """Return how Locust is started: the module and its arguments, the working directory, and environment variables."""
    plugin = root / "chaosdrill" / "load" / "plugin.py"
    script = Path(given["script"]) if given["script"] else plugin.with_name("reference.py")
    names: dict[str, Any] = {"CHAOSDRILL_LOAD_FD": page, "CHAOSDRILL_LOAD_LIFELINE": lifeline}
    names |= {"CHAOSDRILL_LOAD_RECORDS": RECORDS, "CHAOSDRILL_RUN": run}
    names["CHAOSDRILL_LOAD_REGION_HEADER"] = given["region_header"]
    return ["locust", "-f", f"{plugin},{script}", "--web-base-path="], script.parent, names


def heartbeat(root: Path, run: str, given: dict[str, Any], page: int, lifeline: int) -> Launch:
    """Return how the heartbeat is started, as :func:`locust` does; its settings are written to a file."""
    path = PLACE / "config.json"
    accounts = given["accounts"] or {"prefix": "", "count": 0}
    names = [f"{accounts['prefix']}{number:05d}" for number in range(accounts["count"])]
    own = {"run": run, "directory": str(RECORDS), "page_fd": page, "lifeline_fd": lifeline, "accounts": names}
    path.write_text(json.dumps({**given, **own}))
    return ["chaosdrill.heartbeat", str(path)], PLACE, {}


def put_back(value: Any, secrets: dict[str, str]) -> Any:
    """Return settings with the secrets in the places of :mod:`chaosdrill.client.heartbeat_secrets`' placeholders."""
    if isinstance(value, dict):
        if list(value) == ["chaosdrill-secret"]:
            return secrets[value["chaosdrill-secret"]]
        return {name: put_back(one, secrets) for name, one in value.items()}
    return [put_back(one, secrets) for one in value] if isinstance(value, list) else value


def watch(kept: "subprocess.Popen[bytes]", lease_s: float) -> bool:
    """Wait until the lease expires or the program ends.

    :returns: whether the lease has expired.
    """
    renewed, called = 0, time.monotonic()
    while kept.poll() is None:
        with contextlib.suppress(OSError):
            if (seen := LEASE.stat().st_mtime_ns) != renewed:  # compared, so that setting the clock does not end it
                renewed, called = seen, time.monotonic()
        if time.monotonic() - called > lease_s:
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def end_in_order(kept: "subprocess.Popen[bytes]") -> None:
    """Terminate the program, and kill it if it does not end."""
    kept.terminate()
    try:
        kept.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        kept.kill()
        kept.wait()


def kill(keeper: int) -> None:
    """Kill a keeper that does not end (it may be stopped, or the host too busy), and its program."""
    kept: list[int] = []
    with contextlib.suppress(OSError):  # it has ended in the meantime, or the kernel does not list children
        kept = [int(word) for word in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()]
    for leader in (keeper, *kept):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
    while any(start_time(one) for one in kept):
        time.sleep(0.05)


def finish(there: dict[str, Any] | None) -> bool:
    """End the running program; its records stay.

    :returns: whether one was running.
    """
    if there:
        with contextlib.suppress(ProcessLookupError):
            os.kill(there["pid"], signal.SIGTERM)
        give_up = time.monotonic() + 2 * ENDS_WITHIN_S
        while start_time(there["pid"]) == there["since"]:
            if time.monotonic() > give_up:
                kill(there["pid"])
            time.sleep(0.05)
    for path in (STATE, LEASE):
        path.unlink(missing_ok=True)
    shutil.rmtree(ANSWERS, ignore_errors=True)
    return there is not None


def remove() -> None:
    """Remove the files of a program that has ended."""
    for path in (LOG, OWNER, SECRET, PLACE / "config.json"):
        path.unlink(missing_ok=True)
    for directory in (RECORDS, ANSWERS):
        shutil.rmtree(directory, ignore_errors=True)


def end(run: str, offsets: dict[str, int] | None = None) -> dict[str, Any]:
    """End this run's program, and return its log and its new records; another run's is left alone.

    :param offsets: as of ``news``; None: return no records.
    """
    with open(PLACE / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = state()
        if there and there["run"] != run:
            return {"ended": False, "log": "", "files": {}}
        ended = finish(there)
        files = {} if offsets is None else news(run, 0, offsets)["files"]
        return {"ended": ended, "log": LOG.read_text(errors="replace") if LOG.exists() else "", "files": files}


def clean() -> dict[str, Any]:
    """Remove the files of a program that has ended, unless one is running."""
    with open(PLACE / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if state() is None:
            remove()
    return {}


def main() -> None:
    """Run the command in the arguments."""
    os.umask(0o077)
    command, given = sys.argv[1], json.loads(zlib.decompress(base64.b64decode(sys.stdin.buffer.read())))
    silent: dict[str, Callable[..., None]] = {"keep": keep, "part": part}
    if command in silent:
        silent[command](**given)
        return
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "start": start,
        "settle": settle,
        "end": end,
        "clean": clean,
        "news": news,
        "records": records,
        "call": call,
        "send": send,
        "drop": drop,
    }
    printed(commands[command](**given))


if __name__ == "__main__":
    main()
