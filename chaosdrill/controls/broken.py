"""Records of a lab that was broken on purpose, so that its runs are never mistaken for those of an intact one."""

import logging
from collections.abc import Iterable

from chaosdrill.controls.context import DrillContext
from chaosdrill.history import Event

logger = logging.getLogger("chaostoolkit")
EVENT = "lab-broken"


def note_broken(drill: DrillContext) -> None:
    """Record how the target is broken on purpose, if it is and that is not recorded yet."""
    if drill.target is None:
        return
    breaks = list(drill.target.broken())
    known = broken_of(drill.record.events)
    if news := [one for one in breaks if one not in known]:
        drill.record.note(EVENT, breaks=[*known, *news])
        logger.warning(f"The lab is broken on purpose: {', '.join(news)}")


def broken_of(events: Iterable[Event]) -> list[str]:
    """Return how the target of a run was broken on purpose; empty: not at all."""
    noted = [row["breaks"] for row in events if row["event"] == EVENT]
    return list(noted[-1]) if noted else []
