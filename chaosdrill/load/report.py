"""Locust's own report and statistics, stored beside the drill's history."""

import json
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.client.load_generator import LoadGenerator, wait_for
from chaosdrill.errors import DrillError, TimedOut
from chaosdrill.history.whole_files import write_whole
from chaosdrill.load.load_control import IDLE

REPORT, STATISTICS = "locust-report.html", "locust-statistics.json"
LATE_S = 5.0  # workers report to Locust every 3 s, and its responses are up to 2 s old
_NO_DRILL = "no drill is open, so there is no run directory to keep it in"


def keep_report(generator: LoadGenerator) -> dict[str, str | None]:
    """Store Locust's own report of the running test; call it before the test is stopped.

    :returns: ``report``: its path, or None; then ``report_problem`` has the reason.
    """
    drill = history.current()
    if drill is None:
        return {"report": None, "report_problem": _NO_DRILL}
    try:
        return {"report": _written(drill.directory / REPORT, generator.report())}
    except (DrillError, OSError) as error:
        return {"report": None, "report_problem": str(error)}


def keep_statistics(generator: LoadGenerator) -> dict[str, str | None]:
    """Store Locust's own statistics of the stopped test: per endpoint and in total.

    :returns: ``statistics``: the path, or None; then ``statistics_problem`` has the reason.
    """
    drill = history.current()
    if drill is None:
        return {"statistics": None, "statistics_problem": _NO_DRILL}
    try:
        text = json.dumps(_final(generator), indent=1, ensure_ascii=False) + "\n"
        return {"statistics": _written(drill.directory / STATISTICS, text)}
    except (DrillError, OSError, ValueError) as error:
        return {"statistics": None, "statistics_problem": str(error)}


def _written(path: Path, text: str) -> str:
    write_whole(path, history.without_secrets(text))
    return str(path)


def _final(generator: LoadGenerator) -> dict[str, Any]:
    """Return Locust's statistics once they include every request that ended, or the last ones at the deadline."""
    load = generator.state()
    counted = generator.window(load.started_s, load.now_s).requests if load.started_s is not None else 0
    last: dict[str, Any] = {}

    def look() -> dict[str, Any]:
        last.clear()
        last.update(generator.statistics())
        return last

    def final(seen: dict[str, Any]) -> bool:
        return seen["state"] in IDLE and seen["stats"][-1]["num_requests"] >= counted

    try:
        return wait_for(look, final, LATE_S, "Locust's own statistics to be final")
    except TimedOut:
        return last
