"""Whether somebody has read what a drill would do on a real system before the first one runs there."""

import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.errors import Refused
from chaosdrill.history.log import utc_now
from chaosdrill.history.whole_files import write_whole
from chaosdrill.home import home
from chaosdrill.sentences import sentence


def confirm(topology: Path, experiment: str, account: str) -> Path:
    """Keep that the rehearsal on a topology was read and confirmed; holds until the topology file changes.

    :param experiment: path of the experiment that was rehearsed.
    :param account: the account number that was typed.
    :returns: where it is kept.
    """
    kept = _place(topology)
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = {"at": utc_now(), "by": _user(), "topology": str(topology), "experiment": experiment, "account": account}
    write_whole(kept, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return kept


def confirmed(topology: Path) -> Mapping[str, Any] | None:
    """:returns: who confirmed the rehearsal on this topology, as it is now, and when; None when nobody did."""
    kept = _place(topology)
    if not kept.exists():
        return None
    found: Mapping[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def require_confirmed(topology: Path) -> Mapping[str, Any]:
    """:raises Refused: when nobody confirmed the rehearsal on this topology as it is now."""
    if (found := confirmed(topology)) is None:
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
    digest = hashlib.sha256(topology.read_bytes()).hexdigest()
    return home() / "confirmed" / f"{digest}.json"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # the uid is not in the password file
