"""How long it takes to make the report of a run, and how large it is, for runs of several sizes.

    python benchmarks/report.py [MOST]

Makes runs of 10 thousand, 100 thousand and 1 million requests (up to MOST), each with as many beats of the heartbeat, a
failover, packet loss and several outages (`benchmarks/judging.py` makes them). Runs `chaosdrill report` on each, as a
user does, in a process of its own, and prints the seconds of the whole command, the processor seconds, the most memory
that it had, and the size of the page. Plotly's script alone has 4.8 MB of that.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from judging import make

SIZES = (10_000, 100_000, 1_000_000)


def main(most: int) -> None:
    """Print a line for each size."""
    print(f"{'requests':>10} {'beats':>10} {'seconds':>8} {'processor':>10} {'memory MB':>10} {'page MB':>8}")
    for size in (size for size in SIZES if size <= most):
        with tempfile.TemporaryDirectory() as directory:
            make(Path(directory), 2 * size)
            page = Path(directory) / "page.html"
            command = [sys.executable, "-m", "chaosdrill.cli", "report", directory, "--output", str(page)]
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - began
            if process.returncode:
                sys.exit(f"the report of {size:,} requests failed")
            spent, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
            megabytes = page.stat().st_size / 1e6
        print(f"{size:>10,} {size:>10,} {seconds:>8.2f} {spent:>10.2f} {memory:>10.0f} {megabytes:>8.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])
