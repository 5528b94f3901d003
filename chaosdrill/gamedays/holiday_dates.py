"""Which days are holidays, by the ``holidays`` package, and for how long a person has reviewed it. Pure."""

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chaosdrill.gamedays.calendar import HolidaySource

if TYPE_CHECKING:
    from holidays import HolidayBase

# the Bank of Japan counts the public holidays and the days around the new year: bank alone would be four days a year
DEFAULT_CATEGORIES = {"JP": ("public", "bank")}


class NotReviewed(Exception):
    """A day is after the last day for which a person has reviewed a source of holidays."""

    def __init__(self, source: HolidaySource, day: date) -> None:
        super().__init__(source.name, day)
        self.source, self.day = source, day


def holiday_of(source: HolidaySource, day: date) -> str:
    """Return the name of the holiday that a day is; empty when it is none.

    :raises NotReviewed: when the day is after ``reviewed_until``.
    """
    if day > source.reviewed_until:
        raise NotReviewed(source, day)
    return str(holidays_of(source, day.year).get(day, ""))


@lru_cache(maxsize=512)
def holidays_of(source: HolidaySource, year: int) -> "HolidayBase":
    """Return the holidays of a source in a year, reviewed or not.

    :raises NotImplementedError: when the package does not have the country or market.
    :raises ValueError: when it does not have the subdivision or a category.
    """
    import holidays

    if source.kind == "market":
        return holidays.financial_holidays(source.code, years=year, expand=False)
    chosen: dict[str, Any] = {"subdiv": source.subdivision or None, "categories": source.categories or None}
    return holidays.country_holidays(source.code, years=year, expand=False, **chosen)
