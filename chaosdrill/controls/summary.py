"""What is left of a drill in a few lines: for the screen, and for ``summary.json``."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaosdrill.analysis import ClientOutage, StatePeriod, Verdict

COLOURS = {"passed": "green", "failed": "red", "invalid": "yellow", "refused": "yellow", "interrupted": "magenta"}
OUTAGES_KEPT = 5

Row = tuple[str, str]


def summary(
    verdict: Verdict,
    states: Sequence[StatePeriod],
    outage: ClientOutage | None,
    why_no_outage: str,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """:returns: everything the summary says, as JSON values. ``run``: id, directory, target, scale, seconds, title."""
    return {
        "verdict": verdict.word,
        "reasons": list(verdict.reasons),
        "region_states": [{"state": period.state, "seconds": period.seconds} for period in states],
        "client_outage": _outage(outage) if outage is not None else {"seconds": None, "why": why_no_outage},
        **run,
    }


def _outage(outage: ClientOutage) -> dict[str, Any]:
    return {
        "seconds": outage.longest_s,
        "ended": outage.ended,
        "resolution_s": outage.resolution_s,
        "model": outage.model,
        "outages": [
            {
                "since": one.since_s,
                "until": one.until_s,
                "seconds": one.seconds,
                "failures": one.failures,
                "ended": one.ended,
            }
            for one in outage.outages[:OUTAGES_KEPT]
        ],
    }


def rows(said: Mapping[str, Any]) -> list[Row]:
    """:returns: the summary as label and text."""
    found: list[Row] = [("verdict", said["verdict"])]
    found += [("why", reason) for reason in said["reasons"]]
    if said["region_states"]:
        seen = [f"{period['state']} {period['seconds']:.1f} s" for period in said["region_states"]]
        found.append(("region states", " → ".join(seen)))
    found.append(("client outage", _outage_in_words(said["client_outage"])))
    if said.get("target"):
        found.append(("target", _target_in_words(said)))
    if said.get("seconds") is not None:
        found.append(("duration", f"{said['seconds']:.0f} s"))
    if said.get("run_directory"):
        found.append(("run directory", said["run_directory"]))
    return found


def _outage_in_words(outage: Mapping[str, Any]) -> str:
    if outage["seconds"] is None:
        return f"not measured: {outage['why']}"
    at_least = "" if outage["ended"] else "at least "  # the load was stopped while clients were without service
    return f"{at_least}{outage['seconds']:.1f} s ± {outage['resolution_s']:g} s ({outage['model']})"


def _target_in_words(said: Mapping[str, Any]) -> str:
    if said["target"] != "lab":
        return str(said["target"])
    waits = "the reference's real times" if said["scale"] == 1 else f"the lab's waits are scaled by {said['scale']:g}"
    return f"lab, scale {said['scale']:g}: {waits}"


def print_summary(said: Mapping[str, Any]) -> None:
    """Print it on standard output: a table on a terminal, plain lines elsewhere."""
    if not sys.stdout.isatty():
        text = "\n".join(f"{label + ':':<15} {value}" for label, value in rows(said))
        sys.stdout.write(f"\n{text}\n")
        sys.stdout.flush()
        return
    table = Table(show_header=False, title=f"drill {said['verdict']}", title_style=f"bold {COLOURS[said['verdict']]}")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows(said):
        table.add_row(label, Text(value))
    Console().print(table)
