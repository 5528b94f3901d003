"""What is left of a drill in a few lines: for the screen, and for ``summary.json``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaosdrill.analysis import ClientOutage, StatePeriod, Verdict
from chaosdrill.analysis.findings import TOLD
from chaosdrill.analysis.measured import Measured

COLOURS = {"passed": "green", "failed": "red", "invalid": "yellow", "refused": "yellow", "interrupted": "magenta"}
VERSION = 3  # of summary.json; 1 had no judgement, 2 no hypothesis and circumstances
GROUPS = {"recovery_": "recovery", "lost_writes_": "lost writes", "lost_s_": "seconds lost"}
LABELS = {"error_s": "error seconds"}
OF_LOCUST = "client_outage"  # has a line of its own

Row = tuple[str, str]


def summary(
    verdict: Verdict,
    states: Sequence[StatePeriod],
    outage: ClientOutage | None,
    why_no_outage: str,
    run: Mapping[str, Any],
    judgement: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """:returns: everything the summary says, as JSON values. ``run``: id, directory, target, scale, how the lab was
    broken on purpose, seconds, title, and what :mod:`chaosdrill.analysis.summary_fields` gives.
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


def rows(said: Mapping[str, Any]) -> list[Row]:
    """:returns: the summary as label and text."""
    found: list[Row] = [("verdict", said["verdict"])]
    found += [("why", reason) for reason in said["reasons"]]
    if said["region_states"]:
        seen = [f"{period['state']} {period['seconds']:.1f} s" for period in said["region_states"]]
        found.append(("region states", " → ".join(seen)))
    found += _judged(said.get("judgement") or {})
    found.append(("client outage", _outage_in_words(said["client_outage"])))
    if said.get("target"):
        found.append(("target", _target_in_words(said)))
    if said.get("broken"):
        found.append(("lab", f"broken on purpose: {', '.join(said['broken'])}"))
    if said.get("seconds") is not None:
        found.append(("duration", f"{said['seconds']:.0f} s"))
    if said.get("run_directory"):
        found.append(("run directory", said["run_directory"]))
        found += _report(said)
    return found


def _report(said: Mapping[str, Any]) -> list[Row]:
    if said.get("report"):
        return [("report", str(Path(said["run_directory"]) / said["report"]))]
    return [("report", f"not written: {said['report_why']}")] if said.get("report_why") else []


def _judged(judgement: Mapping[str, Any]) -> list[Row]:
    """Findings by name, what the heartbeat measured, and the phases of each movement."""
    names = {kind: _names(judgement, kind) for kind in (True, False)}
    found: list[Row] = [("findings", names[False])] if names[False] else []
    found += [("noted", names[True])] if names[True] else []
    figures = {name: Measured(**one) for name, one in judgement.get("figures", {}).items() if name != OF_LOCUST}
    if any(one.value is not None for one in figures.values()):
        found += _figures(figures)
    if truths := judgement.get("truths"):
        found.append(("by databases", _by_databases(truths)))
    return found + [(f"{one['what']}", _phases(one)) for one in judgement.get("movements", ())]


def _by_databases(truths: Sequence[Mapping[str, Any]]) -> str:
    """The databases' own account beside the lost writes."""
    counts = ", ".join(f"{one['label']} {len(one['lost'])} writes" for one in truths)
    differ = sum(len(one["not_reported"]) + len(one["not_lost"]) for one in truths)
    return f"{counts} (the databases' own account of what they have lost; {differ or 'no'} ids differ)"


def _names(judgement: Mapping[str, Any], told: bool) -> str:
    found = [one["name"] for one in judgement.get("findings", ()) if (one["verdict"] == TOLD) == told]
    return ", ".join(dict.fromkeys(found))


def _figures(figures: Mapping[str, Measured]) -> list[Row]:
    """What was measured for several movements or read-backs stands in one row; how it was, once behind it."""
    grouped: dict[str, list[tuple[str, Measured]]] = {}
    for name, figure in figures.items():
        group = next((one for one in GROUPS if name.startswith(one)), name)
        grouped.setdefault(group, []).append((name.removeprefix(group), figure))
    return [
        (GROUPS.get(name) or LABELS.get(name) or _spaced(name), _in_one_row(members))
        for name, members in grouped.items()
    ]


def _in_one_row(members: Sequence[tuple[str, Measured]]) -> str:
    hows = list(dict.fromkeys(one.how for _, one in members if one.how and one.value is not None))
    texts = [f"{_spaced(name).replace(' ', '-')} {one.in_words()}".strip() for name, one in members]
    return ", ".join(texts) + "".join(f" ({how})" for how in hows)


def _spaced(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ").strip()


def _phases(movement: Mapping[str, Any]) -> str:
    seen = []
    for one in movement["phases"]:
        if one["at_ns"] is None:
            seen.append(f"{one['name']} not seen")
        elif one["seconds"] is not None:
            about = f" ± {one['uncertainty_s']:.2g}" if one["uncertainty_s"] else ""
            seen.append(f"{one['name']} {round(one['seconds'], 1) + 0.0:+.1f}{about} s")
    whole = f"; {movement['whole_s']:.1f} s in all" if movement["whole_s"] is not None else ""
    return f"{', '.join(seen)}{whole}"


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
