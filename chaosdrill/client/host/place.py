"""Where a program of the client host keeps what belongs to it, and whether it runs. The standard library only.

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
SECRET = PLACE / "page-secret"  # never told anybody but its page: requests to that are made on this host
RECORDS, OWNER = PLACE / "records", PLACE / "owner"  # of the records: the run they are of


def start_time(pid: int) -> str:
    """:returns: what tells this process from a later one with the same number; empty: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    words = text.rpartition(")")[2].split()
    return "" if words[0] == "Z" else words[19]


def state() -> dict[str, Any] | None:
    """:returns: the one that runs; None without one."""
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
