"""Timers: each runs ``chaosdrill rescue TOPOLOGY --when-stale`` again and again, as a CronJob does.

    python -m tests.lease_race.timers PERIOD_S TOPOLOGY...

All are forks of one process, and end when stdin is closed. What each rescue came to is written to stdout, as JSON
lines.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.rescue import system_rescue
from tests.lease_race.driver import APP


def _be_timer(period_s: float, topology: str) -> NoReturn:
    os.environ[APP] = f"rescue-of-{Path(topology).stem}"
    system_rescue.FOLLOWS_WITHIN_S = 0.0  # the domain leads nowhere in an endpoint without a lab
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    while not ends.is_set():
        began_s = time.time()
        result = CliRunner().invoke(cli, ["rescue", topology, "--when-stale", "--json"])
        report = json.loads(result.stdout) if result.exit_code in (0, 1) else {}
        line = {
            "driver": Path(topology).stem,
            "event": "rescue",
            "exit": result.exit_code,
            "began_s": began_s,
            "seconds": time.time() - began_s,
            "run": report.get("rescue", ""),
            "idle": report.get("idle", ""),
            "said": "" if report else result.output[-1000:],
        }
        os.write(1, f"{json.dumps(line)}\n".encode())
        ends.wait(period_s)
    os._exit(0)


def main() -> None:
    """Fork the timers, and end them when stdin is closed."""
    period_s, *topologies = sys.argv[1:]
    pids = []
    for topology in topologies:
        if pid := os.fork():
            pids.append(pid)
        else:
            _be_timer(float(period_s), topology)
    sys.stdin.read()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
