"""How exact the measured unavailability is: outages of known length, Locust's own page beside it.

    python -m benchmarks.known_outages [N] [SHORTEST_S LONGEST_S]

Run from the repository. In a lab of its own, under ten of Locust's users, the kernel of the client host drops every
packet from both regions' load balancers for exactly d seconds: N outages (default 30), d from 0.2 to 30 s, evenly
spaced on a logarithmic scale. The heartbeat (20 beats a second of each operation, deadline 1 s) measures; printed is
measured minus true of each, in its length and at its two ends, and their distribution. Beside it, how long Locust's own
page showed failures, looked at each 0.2 s, which is what somebody sees who watches it. About 8 minutes.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.analysis.outage_detection import Outage, unavailability
from chaosdrill.load.actions import start_load
from chaosdrill.runs.reading import read_run
from tests.lab.beating import beating
from tests.lab.lying import Looks
from tests.running_lab import RunningLab

SCALE, USERS, BEAT_S = 0.1, 10, 0.05
CALM_S, AFTER_S, LOOK_EVERY_S = 4.0, 6.0, 0.2


@dataclass(frozen=True)
class Known:
    """An outage that was made. ``locust_s``: how long Locust's page showed failures."""

    seconds: float
    begin_ns: int
    end_ns: int
    locust_s: float


class Watcher:
    """Looks at Locust's page as a person would: how long does it show failures?"""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/stats/requests"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.failing: list[float] = []
        self._thread.start()

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            try:
                with urllib.request.urlopen(self._url, timeout=2) as answer:
                    seen: dict[str, Any] = json.load(answer)
            except (OSError, urllib.error.URLError):
                continue
            if seen.get("total_fail_per_sec") or not seen.get("total_rps"):
                self.failing.append(time.monotonic())

    def seconds(self) -> float:
        """:returns: from the first failure that it showed to the last, 0 when it showed none."""
        self._ending.set()
        self._thread.join()
        return self.failing[-1] - self.failing[0] if self.failing else 0.0


def make(looks: Looks, seconds: float) -> Known:
    """Make an outage, and wait until it is over and forgotten."""
    time.sleep(CALM_S)
    watcher = Watcher(looks.plan.load_port)
    facts = looks.lab.call("break", name="outage", options={"seconds": seconds})["facts"]
    time.sleep(seconds + AFTER_S)
    return Known(seconds, facts["begin_ns"], facts["end_ns"], watcher.seconds())


def found(outages: tuple[Outage, ...], known: Known) -> Outage | None:
    """:returns: the longest measured outage that overlaps the known one."""
    slack_ns = round(2e9)
    those = [
        one for one in outages if one.since_ns < known.end_ns + slack_ns and one.until_ns > known.begin_ns - slack_ns
    ]
    return max(those, key=lambda one: one.until_ns - one.since_ns, default=None)


def row(known: Known, measured: Outage | None) -> float | None:
    """Print one; :returns: measured minus true, in seconds."""
    if measured is None:
        print(f"{known.seconds:8.3f}  not seen at all{'':33}{known.locust_s:8.1f}", flush=True)
        return None
    error_s = (measured.until_ns - measured.since_ns) / 1e9 - known.seconds
    begin_s, end_s = (measured.since_ns - known.begin_ns) / 1e9, (measured.until_ns - known.end_ns) / 1e9
    print(f"{known.seconds:8.3f} {error_s:+10.3f} {begin_s:+10.3f} {end_s:+10.3f} {known.locust_s:14.1f}", flush=True)
    return error_s


def main(times: int, shortest_s: float, longest_s: float) -> None:
    """Print each outage and the distribution."""
    lengths = [shortest_s * (longest_s / shortest_s) ** (n / max(1, times - 1)) for n in range(times)]
    with tempfile.TemporaryDirectory() as directory:
        lab = RunningLab(Path(directory) / "home")
        lab.up(SCALE)
        try:
            looks = Looks(lab)
            configuration = {"topology": str(looks.plan.topology_file)}
            start_load(USERS, USERS, "http://api.example.com", standalone=True, configuration=configuration)
            with beating(looks, Path(directory) / "run") as heartbeat:
                known = [make(looks, seconds) for seconds in lengths]
                heartbeat.stop()
            beats = read_run(Path(directory) / "run").beats
        finally:
            lab.down()
    assert beats is not None
    outages = unavailability(beats).overall
    print("  true s   error s   begin s     end s   Locust's page s")
    errors = [row(one, found(outages, one)) for one in known]
    seen = [abs(error) for error in errors if error is not None]
    print(
        f"{len(seen)} of {times} seen, {len(outages) - len(seen)} outages that were none; |measured - true|: median "
        f"{statistics.median(seen):.3f} s, worst {max(seen):.3f} s (one beat is {BEAT_S:g} s); Locust's page: median "
        f"{statistics.median(abs(one.locust_s - one.seconds) for one in known):.1f} s, worst "
        f"{max(abs(one.locust_s - one.seconds) for one in known):.1f} s"
    )


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    main(int(numbers[0]) if numbers else 30, *(numbers[1:3] if len(numbers) > 2 else (0.2, 30.0)))
