"""``chaosdrill gameday check``: alerts for findings that are overdue, and before holidays are unreviewed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.gamedays.findings import Assignment
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.gamedays.observations import Observation, ShownFinding
from chaosdrill.gamedays.run_observations import _record, assign, findings_of, recorded
from chaosdrill.gamedays.stores import store_of

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CALENDAR = """\
version: 1
holidays:
  used: {{country: JP, reviewed_until: {used}}}
  unused: {{country: JP, reviewed_until: 2020-01-01}}
blackouts:
  holidays: {{{blackout}}}
game_days:
  monthly:
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {{zone: Asia/Tokyo, {times}}}
    window: {{earliest: 01:00, latest_end: 05:00}}
    worst_case_min: 90
    blackouts: [holidays]
"""


class Checked:
    """A calendar at one time, whose game day a tick has just read."""

    def __init__(self, place: Path) -> None:
        self.file = place / "gamedays.yaml"
        (place / "failover.yaml").write_text("title: failover\n")
        self.write()

    def write(
        self, used: str = "2027-12-31", times: str = 'cron: "0 2 * * SUN#2"', blackout: str = "holidays: [used]"
    ) -> None:
        self.file.write_text(CALENDAR.format(used=used, times=times, blackout=blackout))

    def alerts(self) -> list[tuple[str, str]]:
        assert self.run("tick", "--no-launch")[0] == 0
        exit_code, output = self.run("check", "--json")
        found = json.loads(output)["alerts"]
        assert exit_code == (1 if found else 0)
        return [(one["code"], one["why"]) for one in found]

    def run(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["gameday", *words, "--calendar", str(self.file)])
        return done.exit_code, done.stdout


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(SqliteStore, "synchronous", "OFF")
    monkeypatch.setattr(SqliteStore, "now_ms", lambda _: int(NOW.timestamp() * 1000))
    return Checked(tmp_path)


@pytest.mark.parametrize("blackout", ["holidays: [used]", "gotobi: {shift: before, holidays: [used]}"])
@pytest.mark.parametrize(("used", "is_alert"), [("2027-01-30", True), ("2027-01-31", False), ("2026-12-31", True)])
def test_holidays_are_to_be_reviewed_30_days_before_occurrences_are_refused(
    checked: Checked, used: str, is_alert: bool, blackout: str
) -> None:
    checked.write(used, blackout=blackout)
    found = checked.alerts()
    assert [code for code, _ in found] == ["holidays-review-due"] * is_alert
    assert all(used in why and "monthly" in why and "unused" not in why for _, why in found)


@pytest.mark.parametrize(("used", "is_alert"), [("2027-10-09", True), ("2027-10-10", False)])
def test_holidays_are_to_be_reviewed_before_an_occurrence_that_is_far_ahead(
    checked: Checked, used: str, is_alert: bool
) -> None:
    checked.write(used, "times: [2027-10-10T02:00]")
    assert [code for code, _ in checked.alerts()] == ["holidays-review-due"] * is_alert


@pytest.mark.parametrize("facts", [{"times": "times: [2026-10-10T02:00]"}, {"blackout": "dates: [2027-02-14]"}])
def test_holidays_that_no_coming_occurrence_needs_are_no_alert(checked: Checked, facts: dict[str, str]) -> None:
    checked.write("2026-12-31", **facts)
    assert checked.alerts() == []


def test_a_finding_that_is_overdue_is_an_alert_until_its_date_is_changed(checked: Checked) -> None:
    store = store_of(load_calendar(checked.file))

    def show(run: str, began: str) -> None:
        shown = (ShownFinding("lost-writes", "", "9 writes"),)
        _record(store, "lab", Observation(run, began, "failover", "lab", 1.0, "failed", shown=shown, summary=run))

    show("20261210T170001Z-failover-ab12", "2026-12-10T17:00:01+00:00")
    assert checked.alerts() == []
    show("20261110T170001Z-failover-ab12", "2026-11-10T17:00:01+00:00")
    ((code, why),) = checked.alerts()
    (finding,) = findings_of(store, "lab", recorded(store, "lab"), "")
    assert code == "finding-overdue"
    assert all(word in why for word in (finding.id, "lost-writes", "2026-12-10", "sre@example.com", "failover"))
    assign(store, finding, Assignment(due="2027-01-01", ticket="CHG-1"))
    assert checked.alerts() == []
