"""The summary of a drill: the contents of ``summary.json``, and the last lines on the screen."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from chaosdrill.analysis import ClientOutage, StatePeriod, Verdict
from chaosdrill.report.last_lines import last_lines
from chaosdrill.terminal_text import keep_streams_writable

VERSION = 3  # of summary.json; 1 had no judgement, 2 no hypothesis and circumstances


def summary(
    verdict: Verdict,
    states: Sequence[StatePeriod],
    outage: ClientOutage | None,
    why_no_outage: str,
    run: Mapping[str, Any],
    judgement: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the summary as JSON values.

    :param run: id, directory, target, scale, how the lab was broken on purpose, seconds, title, and the fields of
        :mod:`chaosdrill.analysis.summary_fields`.
    """
    return {
        "version": VERSION,
        "verdict": verdict.word,
        "reasons": list(verdict.reasons),
        "region_states": [{"state": period.state, "seconds": period.seconds} for period in states],
        "client_outage": outage.as_json() if outage is not None else {"seconds": None, "why": why_no_outage},
        "judgement": judgement,
        **run,
    }


def print_summary(said: Mapping[str, Any], owed: Sequence[str] = ()) -> None:
    """Print the last lines on standard output. They are never wrapped or boxed here, so that a path can be copied.

    :param owed: the steps that stay in force.
    """
    keep_streams_writable()
    rows = last_lines(said, owed=owed)
    width = max(len(label) for label, _ in rows) + 1
    text = "\n".join(f"{label + ':':<{width}} {value}" for label, value in rows)
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
