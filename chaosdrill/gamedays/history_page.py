"""The history of game days as one page that stands alone."""

from collections.abc import Sequence
from datetime import date
from functools import partial

from chaosdrill import __version__
from chaosdrill.gamedays.history import STALE_DAYS, SystemHistory
from chaosdrill.report.page import page
from chaosdrill.report.texts import Words
from chaosdrill.time_zones import Zone, both

SHOWN = 2000  # occurrences of a game day


def history_page(histories: Sequence[SystemHistory], today: date, days: int, language: str, zone: Zone = None) -> str:
    """Return the page as HTML.

    :param today: the day on which findings are overdue or not.
    :param days: how far back the occurrences reach.
    :param language: one of :data:`chaosdrill.report.texts.LANGUAGES`.
    :param zone: whose time stands beside UTC; default: the zone of this machine.
    :raises NoReport: when the extra ``report`` is not installed.
    """
    return page(
        "history.html.j2",
        Words(language),
        {},
        histories=histories,
        today=today,
        days=days,
        stale_days=STALE_DAYS,
        most=SHOWN,
        at=partial(_at, zone=zone),
        version=__version__,
    )


def _at(planned_ms: int, zone: Zone) -> str:
    return both(planned_ms * 1_000_000, zone)
