"""A file of game days: what it says, and everything that is wrong with it, with line and key."""

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from chaosdrill.errors import BadInput
from chaosdrill.gamedays.calendar import Blackout, Calendar, Dependency, HolidaySource, Schedule, Window
from chaosdrill.gamedays.loading import VARIABLE, load_calendar
from tests.failing import fails_with

RIGHT = """\
version: 1
holidays:
  bank: {country: JP, reviewed_until: 2027-12-31}
  exchange: {market: XJPX, reviewed_until: 2027-12-31}
freezes:
  releases: {file: releases.ics}
blackouts:
  year-end: {dates: [{from: 2026-12-25, to: 2027-01-05}, 2027-03-31]}
  batch: {weekly: [{day: sat, from: 22:00, to: "04:00"}]}
  payday: {gotobi: {shift: before, holidays: [bank]}}
  closed: {holidays: [bank, exchange]}
  frozen: {freezes: [releases]}
channels:
  mail: {kind: smtp, host: smtp.example.com, from: drill@example.com, to: [sre@example.com], language: ja}
game_days:
  failover:
    name: Monthly failover
    owner: sre@example.com
    experiment: failover.yaml
    topology: topology.yaml
    schedule: {zone: Asia/Tokyo, cron: 0 2 * * SUN#2}
    window: {earliest: 01:00, latest_end: 05:00}
    worst_case_min: 90
    variables: {users: 50, token: {secret: API_TOKEN}}
    tags: [monthly]
    objectives: {rto_s: 300}
    blackouts: [year-end, closed]
    guards: {alarms_quiet: false, budget: {drills: 2}}
    approval: {by: ["uid:1001"], until_min: 60}
    notify: [mail]
  failback:
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {zone: America/New_York, times: [2027-01-10 23:30:00, 2027-02-10T22:00]}
    window: {earliest: 22:00, latest_end: 03:00}
    worst_case_min: 120
    run_missed_within_h: 2
    after: {game_day: failover, within_h: 72}
"""


def calendar_of(directory: Path, text: str) -> Calendar:
    for name in ("failover.yaml", "topology.yaml"):
        (directory / name).touch()
    path = directory / "gamedays.yaml"
    path.write_text(text, encoding="utf-8")
    return load_calendar(path)


def edited(**changes: Any) -> str:
    """``RIGHT`` with other values, by dotted key with ``__`` for a dot; None removes one."""
    document = yaml.safe_load(RIGHT)
    for key, value in changes.items():
        *places, last = key.split("__")
        part = document
        for place in places:
            part = part[place]
        if value is None:
            del part[last]
        else:
            part[last] = value
    return yaml.safe_dump(document, sort_keys=False)


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        calendar_of(directory, text)
    assert set(caught.value.codes) == {"gamedays-invalid"}
    return [re.sub(r"^.*?gamedays\.yaml:", "", problem) for problem in caught.value.problems]


def keys(directory: Path, text: str) -> list[str]:
    """The key of each problem."""
    return [re.match(r"\d+: (.*?): ", problem)[1] for problem in problems(directory, text)]  # type: ignore[index]


def test_a_right_file_says_what_it_says(tmp_path: Path) -> None:
    calendar = calendar_of(tmp_path, RIGHT)
    failover, failback = calendar.game_days.values()
    assert (failover.id, failover.name, failback.name) == ("failover", "Monthly failover", "failback")
    assert failover.experiment == tmp_path / "failover.yaml", "relative to the file"
    assert failover.topology == tmp_path / "topology.yaml"
    assert failover.schedule == Schedule(ZoneInfo("Asia/Tokyo"), "0 2 * * SUN#2")
    assert failover.variables == {"users": 50, "token": {"secret": "API_TOKEN"}}
    assert (failover.guards.preflight, failover.guards.alarms_quiet, failover.guards.budget.drills) == (True, False, 2)
    assert failover.approval is not None
    assert (failover.approval.by, failover.approval.until_min) == (("uid:1001",), 60)
    assert failback.schedule.times == (datetime(2027, 1, 10, 23, 30), datetime(2027, 2, 10, 22))
    assert failback.window == Window(time(22), time(3)), "22:00 without quotes is a time, not 1320"
    assert (failback.run_missed_within_h, failback.after) == (2, Dependency("failover", 72))
    assert calendar.blackouts["year-end"].dates == (
        (date(2026, 12, 25), date(2027, 1, 5)),
        (date(2027, 3, 31), date(2027, 3, 31)),
    )
    assert calendar.blackouts["batch"].weekly == (("sat", time(22), time(4)),)
    assert calendar.blackouts["payday"] == Blackout("payday", gotobi=True, gotobi_shift="before", holidays=("bank",))
    assert calendar.holidays["bank"] == HolidaySource("bank", "country", "JP", date(2027, 12, 31), ("public", "bank"))
    assert calendar.channels["mail"].language == "ja"
    assert set(calendar.channels["mail"].settings) == {"host", "from", "to"}


def test_every_problem_is_reported_at_once_with_its_line_and_key(tmp_path: Path) -> None:
    text = (
        RIGHT.replace("Asia/Tokyo", "Asia/Tokio")
        .replace("market: XJPX", "market: XXXX")
        .replace("notify: [mail]", "notify: [male]")
        .replace(
            "experiment: failover.yaml\n    schedule: {zone: America",
            "experiment: gone.yaml\n    schedule: {zone: America",
        )
        .replace("rto_s", "rto")
    )
    found = problems(tmp_path, text)
    lines = {line: number for number, line in enumerate(text.splitlines(), 1)}
    shown = {re.match(r"(\d+): (.*?): ", one).groups() for one in found}  # type: ignore[union-attr]
    number = {key: str(next(lines[line] for line in lines if part in line)) for key, part in {
        "zone": "Tokio", "market": "XXXX", "notify": "male", "experiment": "gone", "objectives": "rto:",
    }.items()}  # fmt: skip
    assert shown == {
        (number["zone"], "game_days.failover.schedule.zone"),
        (number["market"], "holidays.exchange"),
        (number["notify"], "game_days.failover.notify[0]"),
        (number["experiment"], "game_days.failback.experiment"),
        (number["objectives"], "game_days.failover.objectives"),
    }


WRONG = [
    ({"game_days__failover__schedule__cron": "* 2 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "0 */6 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "0 2 30 2 *"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "0 0 2 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "0 2,4 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "0,30 2 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__cron": "59 0 * * SUN"}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__schedule__times": ["2027-01-10T02:00"]}, "game_days.failover.schedule"),
    ({"game_days__failover__schedule__zone": "JST"}, "game_days.failover.schedule.zone"),
    ({"game_days__failover__schedule__zone": None}, "game_days.failover.schedule.zone"),
    ({"game_days__failback__schedule__times": ["2027-01-10T02:00Z"]}, "game_days.failback.schedule.times[0]"),
    ({"game_days__failback__schedule__times": ["2027-01-10T02:00"]}, "game_days.failback.schedule.times"),
    ({"game_days__failover__worst_case_min": 241}, "game_days.failover.window"),
    ({"game_days__failover__worst_case_min": 200}, "game_days.failover.schedule.cron"),
    ({"game_days__failover__worst_case_min": float("nan")}, "game_days.failover.worst_case_min"),
    ({"game_days__failover__window__earliest": 1}, "game_days.failover.window.earliest"),
    ({"game_days__failover__window__latest_end": "24:00"}, "game_days.failover.window.latest_end"),
    ({"game_days__failover__blackouts": ["year-ends"]}, "game_days.failover.blackouts[0]"),
    ({"game_days__failback__after__game_day": "failure"}, "game_days.failback.after.game_day"),
    ({"game_days__failback__after__game_day": "failback"}, "game_days.failback.after"),
    ({"game_days__failover__topology": "gone.yaml"}, "game_days.failover.topology"),
    ({"game_days__failover__variables": {"token": "abc"}}, "game_days.failover.variables.token"),
    ({"game_days__failover__variables": {"url": "https://u:pw@x.example"}}, "game_days.failover.variables.url"),
    ({"game_days__failover__approval__by": ["akira"]}, "game_days.failover.approval.by[0]"),
    ({"game_days__failover__tags": ["a b"]}, "game_days.failover.tags[0]"),
    ({"game_days__failover__owner": None}, "game_days.failover.owner"),
    ({"game_days__failover__owners": "x"}, "game_days.failover.owners"),
    ({"game_days__failover__objectives": {"rto_s": 0}}, "game_days.failover.objectives"),
    ({"holidays__bank__categories": ["bank"]}, "holidays.bank.categories"),
    ({"holidays__bank__categories": ["banks"]}, "holidays.bank"),
    ({"holidays__bank__country": "XX"}, "holidays.bank"),
    ({"holidays__bank__market": "XJPX"}, "holidays.bank"),
    ({"holidays__bank__subdivision": "QQ"}, "holidays.bank"),
    ({"holidays__exchange__categories": ["bank"]}, "holidays.exchange.categories"),
    ({"holidays__bank__reviewed_until": None}, "holidays.bank.reviewed_until"),
    ({"holidays__bank__reviewed_until": "2027-02-30"}, "holidays.bank.reviewed_until"),
    ({"blackouts__closed__holidays": ["banks"]}, "blackouts.closed.holidays[0]"),
    ({"blackouts__payday__gotobi": {"holidays": ["bank"]}}, "blackouts.payday.gotobi.shift"),
    ({"blackouts__payday__gotobi": {"shift": "after", "holidays": ["banks"]}}, "blackouts.payday.gotobi.holidays[0]"),
    ({"blackouts__frozen__freezes": ["release"]}, "blackouts.frozen.freezes[0]"),
    ({"blackouts__frozen": {}}, "blackouts.frozen"),
    ({"blackouts__frozen__month_end_days": 2}, "blackouts.frozen"),
    ({"blackouts__batch__weekly": [{"day": "sat", "from": "25:00", "to": "04:00"}]}, "blackouts.batch.weekly[0].from"),
    ({"channels__mail__host": None}, "channels.mail.host"),
    ({"channels__mail__password": "abc"}, "channels.mail.password"),
    ({"channels__mail__kind": "pager"}, "channels.mail.kind"),
    ({"version": 2}, "version"),
    ({"ledger": "gone.yaml"}, "ledger"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "key"), WRONG, ids=[f"{key}-{next(iter(one.values()))}" for one, key in WRONG])
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, change: dict[str, Any], key: str) -> None:
    assert key in keys(tmp_path, edited(**change))


def test_one_problem_is_reported_once(tmp_path: Path) -> None:
    assert keys(tmp_path, edited(game_days__failover__blackouts=["x"])) == ["game_days.failover.blackouts[0]"]


def test_a_cycle_of_game_days_is_reported_for_each_of_them(tmp_path: Path) -> None:
    text = edited(game_days__failover__after={"game_day": "failback", "within_h": 1})
    assert keys(tmp_path, text) == ["game_days.failover.after", "game_days.failback.after"]


@pytest.mark.parametrize("id_", ["Failover", "fail over", "-failover", "f" * 41])
def test_an_id_is_one_that_every_scheduler_takes(tmp_path: Path, id_: str) -> None:
    assert problems(
        tmp_path, RIGHT.replace("  failover:\n", f"  {id_}:\n").replace("game_day: failover", f"game_day: {id_}")
    )


@pytest.mark.parametrize("text", ["", "[]", "version: 1", "game_days: {}", "a: b: c", "version: 1\ngame_days: {x: 1}"])
def test_what_is_no_file_of_game_days_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, RIGHT.replace("    tags:", "    worst_case_min: 30\n    tags:"))


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.yaml"))
    with fails_with("gamedays-unreadable"):
        load_calendar()


def test_a_freeze_calendar_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    """It forbids drills, and does not keep those that it could not forbid from running."""
    (warning,) = calendar_of(tmp_path, RIGHT).warnings
    assert (
        f"gamedays.yaml:{RIGHT.splitlines().index('  releases: {file: releases.ics}') + 1}: freezes.releases: "
        in warning
    )


@pytest.mark.parametrize(
    ("days", "warned"), [("1 * SUN", True), ("L * SUN", True), ("*/2 * SUN", False), ("* * SUN#2", False)]
)
def test_days_of_the_month_together_with_days_of_the_week_are_a_warning(
    tmp_path: Path, days: str, warned: bool
) -> None:
    text = edited(freezes={}, blackouts__frozen=None, game_days__failover__schedule__cron=f"0 2 {days}")
    warnings = calendar_of(tmp_path, text).warnings
    assert ["game_days.failover.schedule.cron: " in one for one in warnings] == [True] * warned


USERS, TOKEN = "game_days.failover.variables.users", "game_days.failover.variables.token"


@pytest.mark.parametrize(
    ("experiment", "found"),
    [
        ("configuration: {users: 5, token: x}", set()),
        ("configuration: {user: 5, token: x}", {USERS}),
        ("method: []", {USERS, TOKEN}),
        ("configuration: {", {"game_days.failover.experiment", "game_days.failback.experiment"}),
    ],
)
def test_variables_that_the_experiment_does_not_declare_are_named(
    tmp_path: Path, experiment: str, found: set[str]
) -> None:
    (tmp_path / "failover.yaml").write_text(experiment)
    if found:
        assert set(keys(tmp_path, RIGHT)) == found
    else:
        assert calendar_of(tmp_path, RIGHT)
