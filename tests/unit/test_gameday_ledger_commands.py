"""``chaosdrill gameday tick``, ``run``, ``pause``, ``resume``, ``skip``, ``check``, ``history`` and ``install``."""

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli, gameday_install
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.gamedays import tick as ticks
from chaosdrill.gamedays.calendar import Occurrence
from chaosdrill.gamedays.decisions import MINUTE_MS
from chaosdrill.gamedays.events import Entry
from chaosdrill.gamedays.ledger import Ledger
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.gamedays.stores import store_of
from tests.unit.gamedays_rig import T0

CALENDAR = """\
version: 1
game_days:
  monthly:
    name: Monthly failover
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {zone: Asia/Tokyo, cron: 0 2 * * MON}
    window: {earliest: 01:00, latest_end: 05:00}
    worst_case_min: 90
"""
KEY = "monthly@2027-01-10T17:00Z"  # Monday, 02:00 in Tokyo: T0
NEXT = "monthly@2027-01-17T17:00Z"


class Commands:
    """The commands on one calendar, at a time that a test sets."""

    def __init__(self, place: Path) -> None:
        self.place, self.time_ms = place, T0
        self.started: list[str] = []
        (place / "failover.yaml").touch()
        self.file = place / "gamedays.yaml"
        self.file.write_text(CALENDAR)

    def run(self, *words: Any, at_ms: int | None = None) -> Result:
        self.time_ms = self.time_ms if at_ms is None else at_ms
        return CliRunner().invoke(cli, ["gameday", *map(str, words), "--calendar", str(self.file)])

    def read(self, *words: Any, exit_code: int = 0, at_ms: int | None = None) -> Any:
        done = self.run(*words, "--json", at_ms=at_ms)
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)

    @property
    def ledger(self) -> Ledger:
        return Ledger(store_of(load_calendar(self.file)))

    def outcomes(self) -> dict[str, str]:
        return {one["occurrence"]: f"{one['outcome']} {one['code']}" for one in self.read("history")["entries"]}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    found = Commands(tmp_path)
    monkeypatch.setattr(SqliteStore, "synchronous", "OFF")
    monkeypatch.setattr(SqliteStore, "now_ms", lambda _: found.time_ms)
    start = lambda _calendar, occurrence, _token: found.started.append(occurrence.key)  # noqa: E731
    assert ticks.tick.__kwdefaults__ is not None
    monkeypatch.setitem(ticks.tick.__kwdefaults__, "start", start)
    return found


def test_a_tick_starts_what_is_due_and_the_history_has_it(commands: Commands) -> None:
    assert commands.read("tick", at_ms=T0 - MINUTE_MS)["started"] == []
    assert commands.read("tick", at_ms=T0)["started"] == [KEY]
    assert commands.read("tick", at_ms=T0 + MINUTE_MS)["started"] == []
    assert commands.started == [KEY]
    assert commands.outcomes() == {KEY: "claimed "}
    (entry,) = commands.read("history", "monthly")["entries"]
    assert (entry["planned"], entry["by"], entry["began"]) == ("2027-01-10T17:00Z", "schedule", "2027-01-10T17:00Z")
    assert KEY.partition("@")[0] in commands.run("history").output


def test_a_tick_says_what_it_records_and_what_waits(commands: Commands) -> None:
    commands.run("tick", "--no-launch", at_ms=T0 - MINUTE_MS)
    assert commands.read("tick", "--no-launch", at_ms=T0)["started"] == []
    done = commands.run("tick", "--no-launch", at_ms=T0 + 60 * MINUTE_MS)
    assert (done.exit_code, commands.started) == (0, [])
    assert "[missed]" in done.stdout
    assert commands.outcomes() == {KEY: "missed missed"}


def test_a_calendar_that_is_wrong_and_a_ledger_that_cannot_be_read_are_errors(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (commands.place / "home").write_text("a file")
    done = commands.run("tick")
    assert done.exit_code == 2
    assert "coordination-unreachable" in done.output or "store-not-writable" in done.output
    commands.file.write_text("version: 1\n")
    assert commands.run("tick").exit_code == 2


def test_a_pause_skips_what_is_planned_until_it_ends_by_itself(commands: Commands) -> None:
    commands.run("tick", at_ms=T0 - MINUTE_MS)
    assert commands.run("pause", "monthly").exit_code == 2, "it must end by itself"
    assert commands.run("pause", "monthly", "--until", "2027-01-01T00:00Z").exit_code == 2, "that is past"
    assert commands.run("pause", "monthly", "--days", 1, "--why", "a release").exit_code == 0
    commands.run("tick", at_ms=T0)
    assert commands.outcomes() == {KEY: "skipped paused"}
    week_ms = 7 * 24 * 60 * MINUTE_MS
    commands.run("tick", at_ms=T0 + week_ms - MINUTE_MS)
    assert commands.read("tick", at_ms=T0 + week_ms)["started"] == [NEXT]


def test_a_pause_of_all_game_days_is_ended_by_resume(commands: Commands) -> None:
    commands.run("tick", at_ms=T0 - 2 * MINUTE_MS)
    assert commands.run("pause", "--days", 14).exit_code == 0
    assert commands.run("resume", at_ms=T0 - MINUTE_MS).exit_code == 0
    assert "not paused" in commands.run("resume").output
    assert commands.read("tick", at_ms=T0)["started"] == [KEY]


def test_a_veto_skips_one_occurrence_and_none_that_has_begun(commands: Commands) -> None:
    commands.run("tick", at_ms=T0 - MINUTE_MS)
    assert commands.run("skip", "monthly", "--why", "an incident").exit_code == 0
    assert commands.run("skip", "monthly", "2027-01-18T02:00+09:00").exit_code == 0
    assert commands.read("tick", at_ms=T0)["started"] == []
    assert commands.outcomes()[KEY] == "skipped skipped-by-hand"
    assert commands.run("skip", "monthly", "2027-01-10T17:01Z").exit_code == 1, "nothing is planned then"
    assert commands.run("skip", "monthly", "2027-01-10").exit_code == 2, "no instant"
    commands.ledger.claim(Entry(Occurrence("monthly", T0 + 14 * 86_400_000), "claimed"))
    assert commands.run("skip", "monthly", "2027-01-24T17:00Z").exit_code == 1


def test_silence_is_an_alert(commands: Commands) -> None:
    def alerts(at_ms: int, exit_code: int) -> list[str]:
        return [one["code"] for one in commands.read("check", exit_code=exit_code, at_ms=at_ms)["alerts"]]

    assert alerts(T0 - 9 * MINUTE_MS, 1) == ["tick-silent"]
    commands.run("tick", at_ms=T0 - 9 * MINUTE_MS)
    assert alerts(T0 - 4 * MINUTE_MS, 0) == []
    assert alerts(T0 - 3 * MINUTE_MS, 1) == ["tick-silent"]
    assert alerts(T0 + 60 * MINUTE_MS, 1) == ["tick-silent", "outcome-missing"]
    assert "outcome-missing" in commands.run("check").output


def test_a_series_that_proved_nothing_and_a_drill_that_died_are_alerts(commands: Commands) -> None:
    commands.run("tick", at_ms=T0)
    for day, outcome in ((3, "refused"), (2, "refused"), (1, "refused")):
        commands.ledger.record(Entry(Occurrence("monthly", T0 - day * 86_400_000), outcome))  # type: ignore[arg-type]
    assert [one["code"] for one in commands.read("check", exit_code=1)["alerts"]] == ["series"]
    commands.ledger.record(Entry(Occurrence("monthly", T0 - MINUTE_MS), "died", run="r1", code="process-died"))
    (alert,) = commands.read("check", exit_code=1)["alerts"]
    assert alert["code"] == "drill-died"
    assert "chaosdrill rescue r1" in alert["why"]


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("--occurrence", "2027-01-10T17:00Z"), 5),  # no tick has read it
        (("--occurrence", "yesterday"), 2),
        ((), 5),  # by hand, outside of the window
    ],
)
def test_a_run_that_may_not_begin_says_why(commands: Commands, words: tuple[str, ...], exit_code: int) -> None:
    done = commands.run("run", "monthly", *words, at_ms=T0 + (0 if words else 6 * 60 * MINUTE_MS))
    assert done.exit_code == exit_code, done.output
    if not words:
        (entry,) = commands.read("history")["entries"]
        assert (entry["outcome"], entry["code"]) == ("refused", "outside-window")
        assert entry["by"].startswith("uid:")


def test_a_second_run_of_an_occurrence_shows_what_became_of_it(commands: Commands) -> None:
    commands.ledger.claim(Entry(Occurrence("monthly", T0), "claimed"))
    assert commands.run("run", "monthly", "--occurrence", "2027-01-11T02:00:00+09:00").exit_code == 0


def test_the_line_for_cron_calls_the_tick_with_the_settings_of_this_shell(commands: Commands) -> None:
    done = commands.run("install", "--cron")
    assert done.exit_code == 0
    assert done.stdout.startswith("* * * * * CHAOSDRILL_HOME=")
    assert done.stdout.rstrip().endswith(f"-m chaosdrill.cli gameday tick --calendar {commands.file}")


def test_the_units_of_systemd_are_valid(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    place, called = commands.place / "units", []
    monkeypatch.setattr(gameday_install, "_has_systemd", lambda: True)
    monkeypatch.setattr(gameday_install, "_place", lambda: place)
    monkeypatch.setenv("CHAOSDRILL_RUNS", '/a "place" with 100 % and $HOME')
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(gameday_install.subprocess, "run", lambda command, **_: called.append(command[-1]) or done)
    assert commands.run("install").exit_code == 0
    monkeypatch.undo()
    assert called == ["daemon-reload", f"{gameday_install.NAME}.timer"]
    if verify := shutil.which("systemd-analyze"):
        units = [str(place / f"{gameday_install.NAME}.{kind}") for kind in ("service", "timer")]
        checked = subprocess.run([verify, "verify", *units], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_the_ledger_is_a_file_of_chaosdrills_home(commands: Commands) -> None:
    commands.run("tick")
    assert commands.read("history")["ledger"] == str(commands.place / "home" / "gamedays" / "ledger.sqlite")
    assert datetime.fromtimestamp(T0 / 1000, UTC).isoformat() == "2027-01-10T17:00:00+00:00"


@pytest.mark.parametrize(("late_ms", "slept_s"), [(-40_000, [40.0]), (0, []), (5 * MINUTE_MS, [])])
def test_an_engine_that_names_no_instant_runs_the_one_that_is_due(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, late_ms: int, slept_s: list[float]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        commands.time_ms += round(seconds * 1000)

    monkeypatch.setattr(time, "sleep", sleep)
    commands.read("tick", "--no-launch", at_ms=T0 - MINUTE_MS)
    assert commands.read("tick", at_ms=T0)["started"] == [KEY]  # claimed by another process
    done = commands.run("run", "monthly", "--occurrence", "due", at_ms=T0 + late_ms)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{KEY}: claimed")
    assert slept == slept_s


def test_nothing_runs_when_no_occurrence_is_due(commands: Commands) -> None:
    done = commands.run("run", "monthly", "--occurrence", "due", at_ms=T0 - 3 * 24 * 60 * MINUTE_MS)
    assert done.exit_code == 5
    assert "[occurrence-not-planned]" in done.stderr
    assert commands.outcomes() == {}
