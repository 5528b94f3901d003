"""Confirmations that a person has read what a drill would do on a real system, required before the first one there."""

import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.coordination.interface import Coordination
from chaosdrill.errors import Refused
from chaosdrill.history.log import utc_now
from chaosdrill.history.whole_files import write_whole
from chaosdrill.messages import sentence
from chaosdrill.paths import home

NOTE = "confirmation"  # the kind of the note in coordination


def confirm(topology: Path, experiment: str, account: str, coordination: Coordination | None = None) -> Path:
    """Store that the rehearsal on a topology was read and confirmed. It is valid until the topology file changes.

    :param experiment: path of the experiment that was rehearsed.
    :param account: the account number that was typed.
    :param coordination: also stores it, so that a drill on another machine finds it.
    :returns: the path of the record on this machine.
    """
    kept = _place(topology)
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = {"at": utc_now(), "by": _user(), "topology": str(topology), "experiment": experiment, "account": account}
    if coordination is not None:
        coordination.put_note(NOTE, _digest(topology), facts)
    write_whole(kept, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return kept


def confirmed(topology: Path, coordination: Coordination | None = None) -> Mapping[str, Any] | None:
    """Return who confirmed the rehearsal on this topology, as it is now, and when; None if it is not confirmed.

    :param coordination: is read when it was not confirmed on this machine.
    :raises CannotSee: when that cannot be read.
    """
    kept = _place(topology)
    if kept.exists():
        found: Mapping[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    return None if coordination is None else coordination.note(NOTE, _digest(topology))


def require_confirmed(topology: Path, coordination: Coordination | None = None) -> Mapping[str, Any]:
    """Return who confirmed the rehearsal on this topology, as :func:`confirmed` does.

    :raises Refused: when the rehearsal on this topology as it is now is not confirmed (``rehearsal-not-confirmed``).
    """
    if (found := confirmed(topology, coordination)) is None:
        raise Refused(
            sentence(
                "nobody has confirmed a rehearsal on the topology {topology}, or the file has changed since: run "
                "`chaosdrill rehearse EXPERIMENT --topology FILE`, read what it says, and give it --confirm ACCOUNT",
                topology=str(topology),
            ),
            code="rehearsal-not-confirmed",
        )
    return found


def _place(topology: Path) -> Path:
    return home() / "confirmed" / f"{_digest(topology)}.json"


def _digest(topology: Path) -> str:
    return hashlib.sha256(topology.read_bytes()).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # the uid is not in the password file
