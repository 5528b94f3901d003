"""A made-up run with every file that a drill leaves, each told of in its history: documents and evidence, too."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.synthetic_run import END_S, HOME, RUN_ID, Row, make_run

OPERATOR, APPROVER, TICKET = "suzuki", "yamada", "CHG-1"
DOCUMENTS = {
    "experiment.yaml": "title: a made-up drill\n",
    "topology.yaml": "target: lab\n",
    "heartbeat.log": "well\n",
    "locust-report.html": "<html></html>\n",
    "locust-statistics.json": "{}\n",
    "journal.json": json.dumps({"status": "completed"}) + "\n",
}
EVIDENCE = {
    "execution-1.json": {"kind": "execution", "of": "arn:aws:states:ap-northeast-3:1:execution:m:n"},
    "fis-experiment-1.json": {"kind": "fis-experiment", "of": "EXP1"},
    "changing-calls.json": {"kind": "changing-calls", "of": "aws-call"},
}


def make_whole_run(directory: Path, **changes: Any) -> Path:
    """:returns: the run.

    :param changes: facts of ``drill-opened`` that are other than usual.
    """
    return make_run(directory, events_of=lambda rows: _with_all(directory / RUN_ID, rows, changes))


def _with_all(run: Path, rows: list[Row], changes: dict[str, Any]) -> list[Row]:
    files = {**DOCUMENTS, "summary.json": json.dumps(_summary(), indent=1) + "\n"}
    for name, text in files.items():
        (run / name).write_text(text)
    (run / "evidence").mkdir()
    collected = [_evidence(run, name, facts) for name, facts in EVIDENCE.items()]
    made = []
    for row in rows:
        if row["event"] == "drill-opened":
            row = {**row, **_opened(), **changes}
        if row["event"] == "target-opened":
            row = {**row, "topology_sha256": _sha256(DOCUMENTS["topology.yaml"])}
        if row["event"] == "drill-closed":
            made += collected
            row = {**row, "files": {name: _sha256(text) for name, text in files.items()}}
        made.append(row)
    return made


def _opened() -> Row:
    return {
        "title": "a made-up drill",
        "experiment_sha256": _sha256(DOCUMENTS["experiment.yaml"]),
        "change_ticket": TICKET,
        "approver": APPROVER,
        "versions": {"chaosdrill": "0.1.0"},
        "origin": {"operator": OPERATOR, "host": "bastion", "git": None},
        "target": "lab",
    }


def _summary() -> Row:
    return {
        "version": 2,
        "verdict": "passed",
        "reasons": ["all was well"],
        "target": "lab",
        "scale": 0.1,
        "region": HOME,
    }


def _evidence(run: Path, name: str, facts: Row) -> Row:
    text = json.dumps({"chaosdrill": "evidence", "version": 1, **facts}, indent=1) + "\n"
    (run / "evidence" / name).write_text(text)
    told = {"file": f"evidence/{name}", "sha256": _sha256(text), **facts, "why": ""}
    return {"s": END_S + 0.4, "event": "evidence-collected", **told}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
