"""Times in UTC with the reader's local time beside it."""

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from chaosdrill.errors import BadInput
from chaosdrill.time_zones import NS, both, local, offset, zone_from

AT = datetime(2026, 11, 30, 1, 35, 33, 900_000, UTC)
AT_NS = 1_796_002_533 * NS + 900_000_000
TOKYO, BERLIN, NEW_YORK = map(ZoneInfo, ("Asia/Tokyo", "Europe/Berlin", "America/New_York"))


@pytest.fixture(autouse=True)
def _local_zone(monkeypatch):
    monkeypatch.delenv("CHAOSDRILL_TZ", raising=False)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_option_beats_the_variable_beats_the_machine(monkeypatch):
    assert zone_from(None) is None
    assert local(AT, zone_from("")) == "2026-11-29 20:35:33 EST"
    monkeypatch.setenv("CHAOSDRILL_TZ", "Europe/Berlin")
    assert zone_from(None) == BERLIN
    assert zone_from("Asia/Tokyo") == TOKYO
    monkeypatch.setenv("CHAOSDRILL_TZ", "")
    assert zone_from(None) is None


@pytest.mark.parametrize(
    "name", ["Asia/Tokio", "JST-9", "../../etc/passwd", "/etc/localtime", "America", "\0", "東京", "x" * 300]
)
@pytest.mark.parametrize("source", ["--tz", "CHAOSDRILL_TZ"])
def test_an_unknown_zone_is_refused_and_says_where_it_is_from(name, source, monkeypatch):
    if source == "CHAOSDRILL_TZ":
        name = name.replace("\0", "?")  # no environment variable holds a NUL
        monkeypatch.setenv(source, name)
    with pytest.raises(BadInput) as error:
        zone_from(name if source == "--tz" else None)
    assert error.value.codes == ("time-zone-unknown",)
    assert str(error.value).startswith(source)


@pytest.mark.parametrize("instant", [AT, AT_NS, AT.astimezone(timezone(timedelta(hours=-3)))])
def test_utc_comes_first_and_the_local_date_where_it_differs(instant):
    assert both(instant, TOKYO) == "2026-11-30 01:35:33 UTC (10:35:33 JST)"
    assert both(instant, NEW_YORK) == "2026-11-30 01:35:33 UTC (2026-11-29 20:35:33 EST)"
    assert both(instant, None) == both(instant, NEW_YORK)
    assert both(instant, ZoneInfo("UTC")) == "2026-11-30 01:35:33 UTC"
    assert both(instant, ZoneInfo("Asia/Dubai")) == "2026-11-30 01:35:33 UTC (05:35:33 +04)"


def test_the_offset_is_the_one_of_the_instant_not_of_today():
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert local(summer, BERLIN) == "14:00:00 CEST"
    assert local(AT, BERLIN) == "02:35:33 CET"
    assert local(summer, ZoneInfo("Europe/London")) == "13:00:00 BST"
    assert local(AT, ZoneInfo("Europe/London")) == ""


def test_the_offset_is_told_once() -> None:
    assert offset(AT, TOKYO) == "JST = UTC+09:00"
    assert offset(AT, None) == "EST = UTC-05:00"
    assert offset(AT, ZoneInfo("Asia/Kolkata")) == "IST = UTC+05:30"
    assert offset(AT, ZoneInfo("UTC")) == offset(10**30, TOKYO) == ""


@pytest.mark.parametrize("instant", [-1, 0, 10**30, 253_402_300_799 * NS])
def test_an_instant_that_no_calendar_has_is_its_nanoseconds(instant):
    assert both(instant, TOKYO) == f"{instant} ns"
    assert local(instant, TOKYO) == ""
