"""Times of runs, as tables show them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosdrill.time_zones import Zone


def instant(text: Any) -> datetime | None:
    """:returns: a time as runs have it (UTC, ISO 8601); None when the text is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def both_times(text: Any, zone: "Zone") -> str:
    """:returns: a time of a run in UTC with the local time beside it; a text that is no time as it is."""
    from chaosdrill.time_zones import both

    moment = instant(text)
    return str(text or "") if moment is None else both(moment, zone)
