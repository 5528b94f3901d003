"""How long it takes to list the runs of a large store, and how that grows.

    python benchmarks/run_store.py [SIZE]

Makes stores of 100, 1,000 … SIZE (default 10,000) runs, each with a summary as large as a real one and the first line
of a history, and prints for each how long `chaosdrill runs list` takes: the whole process, when the catalogue is made
for the first time, and afterwards (the median of five); and `chaosdrill runs verdict` of the newest run. And
`chaosdrill --help`: what the command line itself takes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHAOSDRILL = [sys.executable, "-m", "chaosdrill.cli"]
AGAIN = 5
HOW = "heartbeat: " + "x" * 300  # what a figure says about itself in a real summary
FIGURES = {f"figure_{number}": {"value": 1.0, "how": HOW} for number in range(30)}


def make(runs: Path, size: int) -> None:
    """Make a store of so many runs."""
    for number in range(size):
        directory = runs / f"2026{number % 12 + 1:02}01T{number:06}Z-failover-ab12"
        directory.mkdir(parents=True)
        opened = {"at": "2026-05-01T09:30:00.000Z", "event": "drill-opened", "title": "a title"}
        (directory / "history.jsonl").write_text(json.dumps(opened) + "\n")
        figures = {**FIGURES, "recovery_fail_over_s": {"value": 4.0 + number % 7}}
        said = {"version": 3, "verdict": "passed", "target": "lab", "scale": 0.2, "seconds": 60.0}
        said |= {"judgement": {"figures": figures}}
        (directory / "summary.json").write_text(json.dumps(said))


def seconds(*arguments: str, runs: Path) -> float:
    """:returns: how long a command takes, as a whole process."""
    began = time.perf_counter()
    environment = {**os.environ, "CHAOSDRILL_RUNS": str(runs)}
    nowhere = subprocess.DEVNULL
    subprocess.run([*CHAOSDRILL, *arguments], env=environment, check=True, stdout=nowhere, stderr=nowhere)
    return time.perf_counter() - began


def main(largest: int) -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory() as made:
        nothing = statistics.median(seconds("--help", runs=Path(made)) for _ in range(AGAIN))
        print(f"chaosdrill --help: {nothing:.2f} s")
        size = 100
        while size <= largest:
            runs = Path(made) / str(size)
            make(runs, size)
            first = seconds("runs", "list", runs=runs)
            again = statistics.median(seconds("runs", "list", runs=runs) for _ in range(AGAIN))
            verdict = statistics.median(seconds("runs", "verdict", runs=runs) for _ in range(AGAIN))
            listed = f"list {first:6.2f} s the first time, {again:5.2f} s afterwards"
            print(f"{size:7,} runs: {listed}; verdict {verdict:5.2f} s", flush=True)
            size *= 10


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
