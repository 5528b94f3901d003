"""Times of runs in tables."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosdrill.time_zones import Zone


def instant(text: Any) -> datetime | None:
    """Parse a time in a run's records (UTC, ISO 8601); None when it is invalid."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def both_times(text: Any, zone: "Zone") -> str:
    """Return a time of a run in UTC with the local time beside it; invalid text is returned unchanged."""
    from chaosdrill.time_zones import both

    moment = instant(text)
    return str(text or "") if moment is None else both(moment, zone)
