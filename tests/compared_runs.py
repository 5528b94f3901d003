"""Runs as a comparison reads them: a summary of version 3 with the figures that a test is about, nothing else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.measurement import Measured

PHASES = {
    "noticed": ("fault", 1.0),
    "failover-started": ("fault", 11.8),
    "flag-closed": ("failover-started", 0.2),
    "routing-switched": ("flag-closed", 2.0),
    "database-switched": ("routing-switched", 0.8),
    "flag-opened": ("database-switched", 1.2),
    "dns-changed": ("routing-switched", 8.5),
    "first-good-answer": ("flag-opened", 6.5),
    "sustained": ("first-good-answer", 0.1),
}
OBJECTIVES = {"rto_s": 15.0, "rpo_writes": 0, "budgets": {"database-switched": 3.0}}


def figure(value: float | None, unit: str = "s", about: float | None = 0.1, resolution: float = 0.05) -> dict[str, Any]:
    """:returns: a figure as a summary has it."""
    why = "" if value is not None else "no beats"
    return Measured(value, unit, "heartbeat: a test", resolution, about, why).as_json()


def began(run: str) -> str:
    """:returns: when a run of this id began."""
    return f"{run[:4]}-{run[4:6]}-{run[6:8]}T{run[9:11]}:{run[11:13]}:{run[13:15]}.000Z"


def reading(value: Any, met: bool | None, times: int = 1) -> dict[str, Any]:
    """:returns: a reading of a probe as a summary has it."""
    return {"value": value, "met": met, "times": times}


def probe(
    name: str = "locust-failures", tolerance: Any = 0, before: Any = 0, during: Sequence[Any] = (), after: Any = 0
) -> dict[str, Any]:
    """:returns: a probe as a summary has it; a value meets its tolerance when they are equal."""
    read = {"before": [before], "during": during, "after": [after]}
    told = {when: [reading(value, value == tolerance) for value in values] for when, values in read.items()}
    return {"probe": name, "tolerance": tolerance, **told}


def movement(what: str = "fail-over", **longer: float) -> dict[str, Any]:
    """:returns: a movement as a summary has it.

    :param longer: of phases (``database_switched=0.5``), by how many seconds.
    """
    known = {name.replace("_", "-"): more for name, more in longer.items()}
    phases = [
        {"name": name, "at_ns": 1, "since": since, "seconds": round(seconds + known.get(name, 0.0), 6),
         "uncertainty_s": 0.02, "evidence": ["region facts"]}
        for name, (since, seconds) in PHASES.items()
    ]  # fmt: skip
    return {"what": what, "from": "a", "to": "b", "whole_s": 22.7, "phases": phases, "contradictions": []}


def judgement(recovery_s: float | None = 9.3, **figures: Any) -> dict[str, Any]:
    """:returns: a judgement with figures as a drill has them; ``figures`` are laid over them."""
    known = {
        "recovery_fail_over_s": figure(recovery_s, about=0.4 if recovery_s is not None else None),
        "recovery_fail_back_s": figure(9.1),
        "availability": figure(0.842, "ratio", 0.0, 0.0003),
        "error_s": figure(33.0, about=0.0, resolution=1.0),
        "lost_writes_after_failover": figure(0.0, "writes", 0.0, 1.0),
        **figures,
    }
    latency = {"of": "read", "when": "during", "p50": figure(0.004, about=0.0001), "p95": figure(1.04, about=0.2)}
    return {"figures": known, "movements": [movement()], "latencies": [latency]}


def said(run: str, **more: Any) -> dict[str, Any]:
    """:returns: a summary of version 3; ``more`` is laid over it."""
    known = {
        "version": 3,
        "verdict": "passed",
        "reasons": [],
        "experiment": run.partition("-")[2].rpartition("-")[0],
        "began": began(run),
        "source": "drill",
        "target": "lab",
        "scale": 0.2,
        "broken": [],
        "seconds": 103.2,
        "objectives": OBJECTIVES,
        "circumstances": {"git commit": "ab12", "variable users": 10, "scale": 0.2},
        "hypothesis": [probe()],
        "report": None,
    }
    return {**known, **({} if "judgement" in more else {"judgement": judgement()}), **more}


def write_run(runs: Path, run: str, tags: Sequence[str] = (), **more: Any) -> Path:
    """Write a run.

    :param more: laid over its summary.
    :returns: its directory.
    """
    directory = runs / run
    directory.mkdir(parents=True)
    summary: Mapping[str, Any] = said(run, **more)
    opened = {"at": summary["began"], "event": "drill-opened", "run_id": run, "target": summary["target"]}
    (directory / "history.jsonl").write_text(json.dumps(opened) + "\n")
    (directory / "summary.json").write_text(json.dumps(summary))
    if tags:
        (directory / "tags.json").write_text(json.dumps({"tags": list(tags)}))
    return directory
