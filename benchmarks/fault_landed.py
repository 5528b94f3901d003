"""How reliable the judgement "the fault landed" is, on a lab of its own.

    python benchmarks/fault_landed.py [N] [PERCENT]

N times (default 20) it injects PERCENT (default 30) packet loss as the drill does, and N times the same loss aimed at
an address that nobody uses; both under the drill's load and judged by the drill's own probe. Prints each judgement with
the latencies it rests on (baseline to window, ms), then how many were right. About 25 s for each pair.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaosdrill.client.load_generator import load_generator, wait_for
from chaosdrill.history import History, OpenDrill, opened
from chaosdrill.load.actions import start_load
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.packet_loss.probes import fault_landed

WINDOW_S = 10.0
NOBODY = "10.100.99.99"


@contextmanager
def lab() -> Iterator[dict[str, Any]]:
    """:yields: the configuration of activities that use a lab made for this benchmark."""
    command = [sys.executable, "-m", "chaosdrill.cli", "lab"]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CHAOSDRILL_HOME": home}
        subprocess.run([*command, "up", "--detach"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            yield {"topology": f"{home}/lab/topology.yaml"}
        finally:
            subprocess.run([*command, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)


def calm(configuration: dict[str, Any]) -> None:
    """Wait for a window of load without a fault: the baseline."""
    generator = load_generator(configuration)
    since_s = generator.state().now_s + 2  # the last requests that the fault before has slowed
    wait_for(lambda: generator.window(since_s, since_s + WINDOW_S).complete, bool, WINDOW_S + 20, "the baseline")


def judged(configuration: dict[str, Any], number: int, sources: str, percent: float, within_s: float) -> bool:
    """Inject, judge, heal; print what it was judged by."""
    with tempfile.TemporaryDirectory() as directory:
        history = History(Path(directory) / "history.jsonl")
        with opened(OpenDrill(f"benchmark-{number}", Path(directory), history)):
            inject_packet_loss(percent=percent, sources=sources, configuration=configuration)
            landed = bool(fault_landed(within_s, WINDOW_S, WINDOW_S, configuration=configuration))
            heal_packet_loss(configuration=configuration)
        effect = history.events("fault-effect")[-1]
        history.close()
    before, during = effect["baseline"], effect["window"]
    print(
        f"{sources:<14} landed: {landed!s:<6} p90 {before['p90_ms']:.0f} to {during['p90_ms']:.0f}, "
        f"mean {before['mean_ms']:.0f} to {during['mean_ms']:.0f}, failures {during['failures']}",
        flush=True,
    )
    return landed


def main(times: int, percent: float) -> None:
    """Print each judgement and the two counts."""
    with lab() as configuration:
        start_load(10, 10, "http://api.example.com", standalone=True, configuration=configuration)
        landed = idle = 0
        for number in range(times):
            calm(configuration)
            landed += judged(configuration, 2 * number, "home", percent, within_s=WINDOW_S)
            calm(configuration)
            idle += judged(configuration, 2 * number + 1, NOBODY, percent, within_s=WINDOW_S)
    print(f"seen to land: {landed} of {times} at {percent:g} %, {idle} of {times} where nobody was hit")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, float(sys.argv[2]) if len(sys.argv) > 2 else 30.0)
