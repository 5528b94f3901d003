"""The ``__main__`` of a zipapp that runs something on the client host: Locust (``locust.pyz``) or the heartbeat
(``heartbeat.pyz``). The standard library only; never imported here.

``python3.X APP COMMAND``, with base64 of JSON on its standard input, prints one line of JSON: what it is told is in no
list of arguments, which every user of the host can read. Commands:

- ``start``: unpacks the zipapp beside itself, each time (C extensions cannot be imported from a zip), and starts
  ``keep``; when the run has one already, that one is told of;
- ``keep``: starts it, holds its lifeline (``chaosdrill.load.plugin``), and ends it when it is told to, or when
  nobody has called for as long as the lease says: whoever started it may be dead;
- ``call``: one HTTP request to its page; renews the lease;
- ``records``, ``news``: what it has recorded, also when it has died; ``news`` renews the lease, and tells its clock;
- ``part``, ``send``: the rest of an answer that is longer than what SSM keeps of a command's output;
- ``end``: ends it; ``clean``: removes what it has left, all but the unpacked program.
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

from chaosdrill.client.host.answering import call, drop, encoded, news, part, printed, records, send
from chaosdrill.client.host.place import (
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
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret

LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 5.0
IN_USE_S = 60.0  # one that was called so recently belongs to a drill that goes on
Launch = tuple[list[str], Path, dict[str, Any]]  # words after `python -m`, directory, variables


UNPACKED = APP.with_name("unpacked")


def unpack() -> None:
    """Unpack the program anew: APP was checked by its hash, and what was unpacked before is not."""
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
    """Start it, or find the one that this run has.

    :param run: whose it is.
    :param token: of this command alone. A command that was sent again because its answer was late runs twice, and the
        second time may come when what the first one has started was ended already.
    :param given: what it is told: ``{"script": path}`` (empty: the reference application's), or a heartbeat's settings.
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
    """:returns: the secrets in a file, which is removed; none of a file that was read already."""
    try:
        found: dict[str, str] = json.loads(Path(path).read_text())["secrets"] if path else {}
    except FileNotFoundError:
        return {}
    if path:
        Path(path).unlink()
    return found


def first_time(token: str, lock: TextIO) -> bool:
    """:returns: whether no command of that token has run here before; the tokens are in the lock's file."""
    lock.seek(0)
    if token in lock.read().split():
        return False
    lock.write(f"{token}\n")
    lock.flush()
    return True


def begin(wanted: dict[str, Any], lease_s: float, secrets: dict[str, str]) -> int:
    """Start ``keep``, in a session of its own, so that it stays when this command ends."""
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
    """Tell a keeper what it keeps."""
    assert keeper.stdin is not None
    with contextlib.suppress(BrokenPipeError), keeper.stdin as stdin:  # one that has ended says why in its log
        stdin.write(told.encode())


def keep(run: str, given: dict[str, Any], page: int, lease_s: float, secrets: dict[str, str]) -> None:
    """Be its keeper until it has ended."""
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
        print(f"nobody has called for {lease_s:g} s: {NAME} ends", flush=True)  # noqa: T201 - its log
        end_in_order(kept_one)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(kept_one.pid, signal.SIGKILL)  # processes that it has started
    os.close(ours)


def locust(root: Path, run: str, given: dict[str, Any], page: int, lifeline: int) -> Launch:
    """:returns: how Locust is started: the module and its arguments, where, and what it finds in its environment."""
    plugin = root / "chaosdrill" / "load" / "plugin.py"
    script = Path(given["script"]) if given["script"] else plugin.with_name("reference.py")
    names: dict[str, Any] = {"CHAOSDRILL_LOAD_FD": page, "CHAOSDRILL_LOAD_LIFELINE": lifeline}
    names |= {"CHAOSDRILL_LOAD_RECORDS": RECORDS, "CHAOSDRILL_RUN": run}
    names["CHAOSDRILL_LOAD_REGION_HEADER"] = given["region_header"]
    return ["locust", "-f", f"{plugin},{script}", "--web-base-path="], script.parent, names


def heartbeat(root: Path, run: str, given: dict[str, Any], page: int, lifeline: int) -> Launch:
    """:returns: how the heartbeat is started, as :func:`locust` does; its settings are written to a file."""
    path = PLACE / "config.json"
    accounts = given["accounts"] or {"prefix": "", "count": 0}
    names = [f"{accounts['prefix']}{number:05d}" for number in range(accounts["count"])]
    own = {"run": run, "directory": str(RECORDS), "page_fd": page, "lifeline_fd": lifeline, "accounts": names}
    path.write_text(json.dumps({**given, **own}))
    return ["chaosdrill.heartbeat", str(path)], PLACE, {}


def put_back(value: Any, secrets: dict[str, str]) -> Any:
    """:returns: settings with the secrets in the places that :mod:`chaosdrill.client.heartbeat_secrets` left."""
    if isinstance(value, dict):
        if list(value) == ["chaosdrill-secret"]:
            return secrets[value["chaosdrill-secret"]]
        return {name: put_back(one, secrets) for name, one in value.items()}
    return [put_back(one, secrets) for one in value] if isinstance(value, list) else value


def watch(kept: "subprocess.Popen[bytes]", lease_s: float) -> bool:
    """:returns: whether the lease has run out; False: it has ended."""
    renewed, called = 0, time.monotonic()
    while kept.poll() is None:
        with contextlib.suppress(OSError):
            if (seen := LEASE.stat().st_mtime_ns) != renewed:  # a clock that is set must not end it
                renewed, called = seen, time.monotonic()
        if time.monotonic() - called > lease_s:
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def end_in_order(kept: "subprocess.Popen[bytes]") -> None:
    """End it as a user would, and if that does not help, at once."""
    kept.terminate()
    try:
        kept.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        kept.kill()
        kept.wait()


def kill(keeper: int) -> None:
    """Kill a keeper that does not end (it may be stopped, or the host too busy), and what it keeps."""
    kept: list[int] = []
    with contextlib.suppress(OSError):  # it has ended meanwhile, or the kernel does not tell
        kept = [int(word) for word in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()]
    for leader in (keeper, *kept):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
    while any(start_time(one) for one in kept):
        time.sleep(0.05)


def finish(there: dict[str, Any] | None) -> bool:
    """End the one that is there; what it has recorded stays.

    :returns: whether there was one.
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
    """Remove what one that has ended has left."""
    for path in (LOG, OWNER, SECRET, PLACE / "config.json"):
        path.unlink(missing_ok=True)
    for directory in (RECORDS, ANSWERS):
        shutil.rmtree(directory, ignore_errors=True)


def end(run: str, offsets: dict[str, int] | None = None) -> dict[str, Any]:
    """End this run's, and hand out its log, and of its records what is not known yet; another run's is let be.

    :param offsets: as of ``news``; None: no records are wanted.
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
    """Remove what one that has ended has left, unless another one runs."""
    with open(PLACE / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if state() is None:
            remove()
    return {}


def main() -> None:
    """Do what the command line says."""
    os.umask(0o077)
    command, given = sys.argv[1], json.loads(zlib.decompress(base64.b64decode(sys.stdin.buffer.read())))
    silent: dict[str, Callable[..., None]] = {"keep": keep, "part": part}
    if command in silent:
        silent[command](**given)
        return
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "start": start,
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
