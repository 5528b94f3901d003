"""The lab databases' own records at each read-back, with which the clients' ledger is compared."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chaosdrill.client.heartbeat_records import RECORDS, CollectedFile
from chaosdrill.errors import LabError
from chaosdrill.history.whole_files import write_whole

if TYPE_CHECKING:
    from chaosdrill.controls.lifecycle import Session

EVENT, READ_BACK = "truth-read", "read-back"


def note_truth(session: "Session") -> None:
    """Store them in the run directory for a read-back that has just ended; on aws they are not available."""
    events = session.record.events
    known = {row["label"] for row in events if row["event"] == EVENT}
    for row in [row for row in events if row["event"] == READ_BACK and row["label"] not in known]:
        _note(session, str(row["label"]), len(known))


def _note(session: "Session", label: str, number: int) -> None:
    if session.target is None or session.directory is None:
        return
    try:
        truth = session.target.truth()
    except LabError as error:
        session.record.note(EVENT, label=label, file=None, why=str(error))
        return
    if truth is not None:
        told = _write(session, f"truth-{number}.json", {"chaosdrill": "truth", "label": label, **truth})
        session.record.note("records-collected", **asdict(told))
        session.record.note(EVENT, label=label, file=told.file, why="")


def _write(session: "Session", name: str, truth: dict[str, Any]) -> CollectedFile:
    assert session.directory is not None
    text = json.dumps(truth) + "\n"
    write_whole(session.directory / RECORDS / name, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return CollectedFile(name, sha256, len(truth["transactions"]), len(text), complete=True, why="")
