"""The occurrence that an engine means which starts a game day and does not say for which planned instant. Pure."""

from chaosdrill.gamedays.calendar import GameDay, Occurrence
from chaosdrill.gamedays.instants import planned_instants

DUE = "due"  # as an instant on the command line
AHEAD_MS = 60_000  # by how much the clock of the engine may be ahead of this machine's
_BACK_MS = 2 * 86_400_000


def due_occurrence(game_day: GameDay, now_ms: int) -> Occurrence | None:
    """Return the latest planned occurrence that has come, by a clock that may be a minute slow.

    :param now_ms: milliseconds since 1970, UTC.
    :returns: the occurrence; None when none was planned within the last two days.
    """
    planned = planned_instants(game_day.schedule, now_ms - _BACK_MS, now_ms + AHEAD_MS + 1)
    return Occurrence(game_day.id, planned[-1]) if planned else None
