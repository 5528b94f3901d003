"""The lab databases' own records at each read-back, with which the clients' ledger is compared."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from chaosdrill.client.heartbeat_records import RECORDS, CollectedFile
from chaosdrill.controls.context import DrillContext
from chaosdrill.errors import LabError
from chaosdrill.history.whole_files import write_whole

EVENT, READ_BACK = "truth-read", "read-back"


def note_truth(drill: DrillContext) -> None:
    """Store them in the run directory for a read-back that has just ended; on aws they are not available."""
    events = drill.record.events
    known = {row["label"] for row in events if row["event"] == EVENT}
    for row in [row for row in events if row["event"] == READ_BACK and row["label"] not in known]:
        _note(drill, str(row["label"]), len(known))


def _note(drill: DrillContext, label: str, number: int) -> None:
    if drill.target is None or drill.directory is None:
        return
    try:
        truth = drill.target.truth()
    except LabError as error:
        drill.record.note(EVENT, label=label, file=None, why=str(error))
        return
    if truth is not None:
        told = _write(drill, f"truth-{number}.json", {"chaosdrill": "truth", "label": label, **truth})
        drill.record.note("records-collected", **asdict(told))
        drill.record.note(EVENT, label=label, file=told.file, why="")


def _write(drill: DrillContext, name: str, truth: dict[str, Any]) -> CollectedFile:
    assert drill.directory is not None
    text = json.dumps(truth) + "\n"
    write_whole(drill.directory / RECORDS / name, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return CollectedFile(name, sha256, len(truth["transactions"]), len(text), complete=True, why="")
