"""How long the lab takes from `lab up` to all parts healthy, and how much memory it then holds (PSS).

    python benchmarks/lab_start.py [RUNS]

Starts and ends a lab of its own RUNS times (default 5) in a directory of its own and prints each run, then the median.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

CHAOSDRILL = [sys.executable, "-m", "chaosdrill.cli", "lab"]


def one_run(environment: dict[str, str]) -> tuple[float, float]:
    """:returns: seconds until ready, megabytes (10^6) of PSS."""

    def lab(*arguments: str) -> str:
        command = [*CHAOSDRILL, *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    lab("up", "--detach")
    try:
        status = json.loads(lab("status", "--json"))
    finally:
        lab("down")
    return status["ready_s"], status["memory_mb"]


def main(runs: int) -> None:
    """Print a line a run, then the medians."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CHAOSDRILL_HOME": home}
        found = []
        for number in range(1, runs + 1):
            found.append(one_run(environment))
            print(f"run {number}: ready after {found[-1][0]:.2f} s, {found[-1][1]:.0f} MB", flush=True)
        print(
            f"median of {runs}: ready after {statistics.median(s for s, _ in found):.2f} s "
            f"(most {max(s for s, _ in found):.2f}), {statistics.median(m for _, m in found):.0f} MB"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
