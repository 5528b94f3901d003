"""``chaosdrill gameday list``, ``next``, ``explain`` and ``export ics``."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli, gameday_calendar, gameday_export_ics, gameday_list, gameday_next
from chaosdrill.gamedays.calendar import Occurrence
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import Ledger, Pause
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.gamedays.stores import store_of

NOW_MS = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)
CALENDAR = """\
version: 1
blackouts:
  holidays: {dates: [2027-02-14]}
game_days:
  monthly:
    name: Monthly failover
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {zone: Asia/Tokyo, cron: 0 2 * * SUN#2}
    window: {earliest: 01:00, latest_end: 05:00}
    worst_case_min: 90
    blackouts: [holidays]
    approval: {by: ["uid:1001"], until_min: 60}
  once:
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {zone: UTC, times: [2027-01-20T02:00]}
    window: {earliest: 01:00, latest_end: 05:00}
    worst_case_min: 60
"""


@pytest.fixture
def calendar_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A calendar, an empty ledger, and 1 January 2027."""
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    for module in (gameday_calendar, gameday_export_ics, gameday_list, gameday_next):
        monkeypatch.setattr(module, "now_ms", lambda: NOW_MS)
    (tmp_path / "failover.yaml").touch()
    path = tmp_path / "gamedays.yaml"
    path.write_text(CALENDAR)
    return path


def run(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["gameday", *map(str, words)])


def answer(*words: Any) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_list_names_the_next_occurrence_that_nothing_forbids(calendar_file: Path) -> None:
    found = {one["id"]: one for one in answer("list", "--calendar", calendar_file)["game_days"]}
    assert found["monthly"]["next"]["planned"] == "2027-01-09T17:00:00Z"
    assert found["monthly"]["next"]["planned_local"] == "2027-01-10T02:00:00+09:00"
    assert (found["once"]["cron"], found["once"]["times"]) == (None, ["2027-01-20T02:00:00"])
    assert run("list", "--calendar", calendar_file).exit_code == 0


def test_next_lists_those_that_do_not_take_place_with_their_reason(calendar_file: Path) -> None:
    found = answer("next", "--calendar", calendar_file, "--days", 45)["occurrences"]
    assert [(one["occurrence"], one["status"], one["code"]) for one in found] == [
        ("monthly@2027-01-09T17:00Z", "planned", ""),
        ("once@2027-01-20T02:00Z", "planned", ""),
        ("monthly@2027-02-13T17:00Z", "forbidden", "blackout"),
    ]
    assert [one["game_day"] for one in answer("next", "once", "--calendar", calendar_file)["occurrences"]] == ["once"]
    assert run("next", "--calendar", calendar_file, "--days", 45).exit_code == 0


def test_next_shows_pauses_and_what_the_ledger_has_recorded(calendar_file: Path) -> None:
    calendar = load_calendar(calendar_file)
    ledger = Ledger(store_of(calendar))
    ledger.pause("monthly", Pause(NOW_MS, NOW_MS + 20 * gameday_calendar.DAY_MS, "akira", "the migration"))
    once = Occurrence("once", int(datetime(2027, 1, 20, 2, tzinfo=UTC).timestamp() * 1000))
    ledger.record(Entry(once, "skipped", "skipped", "a release"))
    found = answer("next", "--calendar", calendar_file, "--days", 30)["occurrences"]
    assert [(one["status"], one["code"], one["outcome"]) for one in found] == [
        ("paused", "paused", None),
        ("recorded", "skipped", "skipped"),
    ]
    assert "akira" in found[0]["why"]
    assert "a release" in found[1]["why"]


def test_a_ledger_that_cannot_be_read_is_reported_and_the_calendar_is_shown(
    calendar_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file where a directory belongs")
    done = run("next", "--calendar", calendar_file, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["ledger_problem"]
    assert len(found["occurrences"]) == 2


def test_explain_gives_each_rule_its_reason(calendar_file: Path) -> None:
    allowed, empty = answer("explain", "2027-01-10", "--calendar", calendar_file)["game_days"]
    (one,) = allowed["occurrences"]
    assert [(reason["rule"], reason["allows"]) for reason in one["reasons"]] == [
        ("window", True),
        ("blackout holidays", True),
    ]
    assert len(allowed["checked_at_start"]) == 3
    assert (empty["occurrences"], empty["next_planned_local"]) == ([], "2027-01-20T02:00:00+00:00")
    (forbidden,) = answer("explain", "2027-02-14", "monthly", "--calendar", calendar_file)["game_days"]
    assert [one["code"] for one in forbidden["occurrences"][0]["reasons"]] == ["blackout", ""]
    for day in ("2027-01-10", "2027-02-14"):
        assert run("explain", day, "--calendar", calendar_file).exit_code == 0


@pytest.mark.parametrize(
    "words", [("next", "weekly"), ("explain", "2027-01-10", "weekly"), ("explain", "tomorrow"), ("next", "--days", 0)]
)
def test_what_cannot_be_understood_exits_with_2(calendar_file: Path, words: tuple[Any, ...]) -> None:
    assert run(*words, "--calendar", calendar_file).exit_code == 2


def test_an_unknown_game_day_of_the_command_line_is_named_and_nothing_is_to_be_removed(calendar_file: Path) -> None:
    done = run("next", "zzz", "--calendar", calendar_file)
    assert (done.exit_code, "zzz" in done.stderr, "remove" in done.stderr) == (2, True, False)


def test_a_wrong_calendar_exits_with_2_and_names_every_problem(calendar_file: Path) -> None:
    calendar_file.write_text(CALENDAR.replace("Asia/Tokyo", "Tokyo").replace("[holidays]", "[holiday]"))
    done = run("list", "--calendar", calendar_file)
    assert done.exit_code == 2
    assert done.output.count("[gamedays-invalid]") == 2


def test_warnings_are_on_standard_error_and_in_the_list(calendar_file: Path) -> None:
    calendar_file.write_text(CALENDAR.replace("* * SUN#2", "13 * SUN"))
    done = run("list", "--calendar", calendar_file, "--json")
    assert "game_days.monthly.schedule.cron" in done.stderr
    assert len(json.loads(done.stdout)["warnings"]) == 1


def test_the_calendar_to_subscribe_to_has_what_takes_place_and_what_was_cancelled(
    calendar_file: Path, tmp_path: Path
) -> None:
    once = Occurrence("once", int(datetime(2027, 1, 20, 2, tzinfo=UTC).timestamp() * 1000))
    Ledger(store_of(load_calendar(calendar_file))).record(Entry(once, "skipped", "skipped", "a release"))
    output = tmp_path / "gamedays.ics"
    assert run("export", "ics", "--calendar", calendar_file, "--days", 70, "--output", output).exit_code == 0
    read = icalendar.Calendar.from_ical(output.read_text())
    events = {str(one["UID"]): one for one in read.walk("VEVENT")}
    assert {uid: str(one["STATUS"]) for uid, one in events.items()} == {
        "monthly@2027-01-09T17:00Z.chaosdrill": "CONFIRMED",
        "once@2027-01-20T02:00Z.chaosdrill": "CANCELLED",
    }, "what the calendar forbids on 14 February is not in it"
    monthly = events["monthly@2027-01-09T17:00Z.chaosdrill"]
    assert monthly["DTSTART"].dt == datetime(2027, 1, 10, 2, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert monthly["DTEND"].dt == datetime(2027, 1, 10, 3, 30, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert run("export", "ics", "--calendar", calendar_file, "--days", 70).stdout.splitlines() == (
        output.read_text().splitlines()
    )
