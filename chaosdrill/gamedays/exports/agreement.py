"""Whether an engine would start a game day at the instants that the calendar plans. Pure, and fails closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chaosdrill.errors import Problem, problem
from chaosdrill.gamedays.calendar import GameDay
from chaosdrill.gamedays.exports.engines import Engine

YEARS = 10
SPAN_MS = (3652 * 24 + 12) * 3_600_000  # ten years
_SHOWN = 3
_FIX = (
    "plan it at a time that no change of the clock touches, or in a zone without changes; or let `chaosdrill gameday "
    "tick` start it (`chaosdrill gameday install`)"
)


@dataclass(frozen=True)
class Agreement:
    """How the instants of an engine compare with those of the calendar.

    :param expressions: of the engine, for this game day.
    :param missing: planned instants at which the engine starts nothing, in milliseconds, ascending.
    :param extra: instants that are not planned, at which it would start something.
    """

    expressions: tuple[str, ...]
    missing: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()


def agreement_of(engine: Engine, game_day: GameDay, planned: Sequence[int], from_ms: int) -> Agreement | Problem:
    """Compare an engine with the calendar over ten years.

    :param planned: the planned instants of these years.
    :returns: the engine's expressions, with each difference; a problem when it has no expression for the schedule.
    """
    zone = game_day.schedule.zone
    expressions = engine.expressions(game_day.schedule, from_ms)
    if expressions is None:
        why = f"{game_day.id}: {engine.name} has no expression for {game_day.schedule.cron!r}: {_FIX}"
        return problem("export-schedule-inexpressible", why)
    started = {at for one in expressions for at in engine.instants(one, zone, from_ms, from_ms + SPAN_MS)}
    missing, extra = set(planned) - started, started - set(planned)
    return Agreement(expressions, tuple(sorted(missing)), tuple(sorted(extra)))


def difference_of(engine: Engine, game_day: GameDay, found: Agreement) -> Problem | None:
    """Describe where an engine and the calendar differ; None where they agree."""
    zone, parts = game_day.schedule.zone, []
    if found.missing:
        parts.append(f"does not start it at {_listed(found.missing, zone)}, where it is planned")
    if found.extra:
        parts.append(f"would start it at {_listed(found.extra, zone)}, where it is not planned")
    if not parts:
        return None
    what = f"{game_day.id}: {engine.name} {', and '.join(parts)} (within {YEARS} years, {zone})"
    return problem("export-instants-differ", f"{what}: {_FIX}")


def _listed(instants: Sequence[int], zone: ZoneInfo) -> str:
    more = f" and {len(instants) - _SHOWN} more" if len(instants) > _SHOWN else ""
    return ", ".join(_shown(at, zone) for at in instants[:_SHOWN]) + more


def _shown(at_ms: int, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, zone)
    return f"{moment:%Y-%m-%d %H:%M %Z} ({moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"
