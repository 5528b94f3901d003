"""How long the command line takes to start, beside Chaos Toolkit's own.

    python benchmarks/command_start.py [TIMES]

Runs `chaosdrill --help` and `chaos --help` in turn, each so many times (default 21), and prints the median of each and
the ratio of the two; it is to be at most 1.2. As both are measured at the same time, what else the machine does hardly
matters for the ratio. Both write their output to nowhere, and each is a whole process.
"""

import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

MOST = 1.2
COMMANDS = ("chaosdrill", "chaos")


def seconds(command: str) -> float:
    """:returns: how long `command --help` takes."""
    began = time.perf_counter()
    program = Path(sysconfig.get_path("scripts")) / command
    subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(times: int) -> int:
    """Print both medians and their ratio.

    :returns: 0 when that is as it is to be, else 1.
    """
    for command in COMMANDS:
        seconds(command)  # compiled modules and files come into the cache
    taken: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for _ in range(times):
        for command in COMMANDS:
            taken[command].append(seconds(command))
    medians = {command: statistics.median(found) for command, found in taken.items()}
    for command, median in medians.items():
        print(f"{command} --help: {median:.3f} s (median of {times})")
    ratio = medians["chaosdrill"] / medians["chaos"]
    print(f"ratio: {ratio:.2f} (at most {MOST})")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 21))
