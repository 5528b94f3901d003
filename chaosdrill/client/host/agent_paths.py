"""Paths and state of a program on the client host. Standard library only.

Part of the zipapp: see ``program``.
"""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

APP = Path(sys.argv[0]).resolve()
CACHE = APP.parent.parent  # <cache>/<hash>/<name>
WHAT = APP.stem  # locust or heartbeat
NAME = {"locust": "Locust", "heartbeat": "the heartbeat"}.get(WHAT, WHAT)
PLACE = CACHE / {"locust": "load"}.get(WHAT, WHAT)
STATE, LEASE, LOG, ANSWERS = PLACE / "state.json", PLACE / "lease", PLACE / f"{WHAT}.log", PLACE / "answers"
SECRET = PLACE / "page-secret"  # sent to its page only: requests to the page are made on this host
RECORDS, OWNER = PLACE / "records", PLACE / "owner"  # the owner file names the run of the records


def start_time(pid: int) -> str:
    """Return a process's start time, which distinguishes it from a later one with the same ID; empty: no such
    process.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    words = text.rpartition(")")[2].split()
    return "" if words[0] == "Z" else words[19]


def state() -> dict[str, Any] | None:
    """Return the state of the running program; None when none runs."""
    try:
        found: dict[str, Any] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return None
    return found if start_time(found["pid"]) == found["since"] != "" else None


def idle_s() -> float:
    """Return the time since the last call, in seconds."""
    with contextlib.suppress(OSError):
        return max(0.0, time.time() - LEASE.stat().st_mtime)
    return float("inf")
