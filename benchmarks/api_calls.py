"""How many calls of AWS's APIs a drill makes, and how many of them the region facts take.

    python benchmarks/api_calls.py [SCALE]

Starts a lab of its own at SCALE (default 0.1), looks at the region facts some times to know what one look takes, runs
``experiments/failover.yaml`` there, and counts by the lab's log of calls. Prints the calls of the drill by service and
operation, and which share of them the watch over the region facts made: a look each second.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from chaosdrill.lab import endpoint_page
from chaosdrill.lab.plan import LabPlan

LOOKS = 10
EXPERIMENT = Path(__file__).parents[1] / "experiments" / "failover.yaml"
LAB = [sys.executable, "-m", "chaosdrill.cli", "lab"]
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run"]
LOOK = """
import sys
from chaosdrill.region.probes import region_facts
for _ in range(int(sys.argv[2])):
    region_facts(configuration={"topology": sys.argv[1]})
"""


class Log:
    """The lab's log of calls, from where it was read last."""

    def __init__(self, plan: LabPlan) -> None:
        self._plan, self._seen = plan, 0
        self.new()

    def new(self) -> list[dict[str, Any]]:
        """:returns: the calls of chaosdrill since the last time."""
        page = f"/chaosdrill/calls?since={self._seen}"
        calls: list[dict[str, Any]] = endpoint_page.ask(self._plan, "GET", page)["calls"]
        self._seen = max([self._seen, *(call["number"] for call in calls)])
        return [call for call in calls if call["by"] == "chaosdrill"]


def main(scale: float) -> None:
    """Print the table and the share."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CHAOSDRILL_HOME": home}

        def run(*command: str) -> str:
            done = subprocess.run(command, env=environment, cwd=home, check=False, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(done.stdout)
            return done.stdout

        run(*LAB, "up", "--detach", "--scale", str(scale))
        try:
            log = Log(LabPlan.load(Path(home, "lab", "plan.json")))
            run(sys.executable, "-c", LOOK, str(Path(home) / "lab" / "topology.yaml"), str(LOOKS))
            a_look = len(log.new()) / LOOKS
            run(*CHAOS, "--var", f"scale:float={scale}", str(EXPERIMENT))
            calls = log.new()
        finally:
            run(*LAB, "down")
        (history,) = Path(home).glob("runs/*/history.jsonl")
        looks = next(event["looks"] for event in _events(history) if event["event"] == "region-watched")
    seconds = calls[-1]["at_s"] - calls[0]["at_s"]
    for (service, operation), count in Counter((one["service"], one["operation"]) for one in calls).most_common():
        print(f"{count:6}  {service} {operation}")
    print(
        f"{len(calls)} calls in {seconds:.0f} s ({len(calls) / seconds:.1f}/s); "
        f"the region facts: {looks} looks of {a_look:g} calls, {looks * a_look / len(calls):.0%} of all"
    )


def _events(history: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in history.read_text().splitlines()]


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.1)
