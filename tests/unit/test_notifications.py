"""Notifications of game days: each once per channel, tried again, bounded, and without secrets."""

import shlex
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from chaosdrill.cli import cli
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.error_codes import ERROR_CODES
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays.calendar import Calendar, Channel, Occurrence
from chaosdrill.gamedays.events import Notice, Notification
from chaosdrill.gamedays.notifications import Deliveries, Delivery, notify, sending
from chaosdrill.gamedays.notifications import delivery as deliveries
from chaosdrill.gamedays.notifications.background import BackgroundNotifier
from chaosdrill.gamedays.notifications.delivery import ATTEMPT_LASTS_S, ATTEMPTS, NotDelivered
from chaosdrill.gamedays.notifications.messages import MESSAGES
from chaosdrill.gamedays.notifications.texts import message_of
from tests.gameday_calendars import OCCURRENCE, PLANNED_MS, calendar_with, channel
from tests.waiting import LONG_S, wait_for

HOUR_MS = 3_600_000
BOTH = calendar_with(channel("first", "webhook"), channel("second", "smtp"))
ONE = calendar_with(channel("first", "webhook"))


class Clock(SqliteStore):
    """A store with a clock of its own, and that can be out of reach."""

    synchronous = "OFF"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "ledger.sqlite")
        self.at_ms = PLANNED_MS - 24 * HOUR_MS
        self.is_away = False

    def now_ms(self) -> int:
        if self.is_away:
            raise CannotSee("away", code="coordination-unreachable")
        return self.at_ms


class Sender:
    """What channels do in these tests."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.release = threading.Event()

    def __call__(self, used: Channel, one: Delivery) -> str:
        if used.name in self.hanging:
            self.release.wait()
        self.sent.append((used.name, one.message.notice))
        if used.name in self.failing:
            raise NotDelivered("it is broken")
        return ""


@pytest.fixture
def store(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    made = Sender()
    monkeypatch.setattr(sending, "send", made)
    yield made
    made.release.set()


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt is made by a call of its own."""
    monkeypatch.setattr(deliveries, "WAITS_S", (60,) * (ATTEMPTS - 1))


def of(notice: Notice, **facts: Any) -> Notification:
    return Notification(notice, OCCURRENCE, facts)


def states(store: Clock) -> dict[str, str]:
    return {one.channel: one.state for one in Deliveries(store).recent()}


def test_each_notification_goes_to_each_channel_once(store: Clock, sender: Sender) -> None:
    for _ in range(3):
        notify(BOTH, [of("planned"), of("planned")], Deliveries(store))
    assert sorted(sender.sent) == [("first", "planned"), ("second", "planned")]
    assert states(store) == {"first": "delivered", "second": "delivered"}


def test_what_differs_in_its_detail_is_another_notification(store: Clock, sender: Sender) -> None:
    transitions = [of("transition", detail=f"failover {state}") for state in ("began", "ended")]
    notify(ONE, transitions, Deliveries(store))
    assert len(sender.sent) == 2


def test_many_processes_at_once_send_one(store: Clock, sender: Sender) -> None:
    calls = [threading.Thread(target=notify, args=(ONE, [of("started")], Deliveries(store))) for _ in range(8)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert sender.sent == [("first", "started")]


def test_two_processes_that_read_at_the_same_moment_make_one_attempt(store: Clock, sender: Sender) -> None:
    notify(ONE, [of("started")], Deliveries(store), within_s=0)
    (pending,) = Deliveries(store).pending()
    assert [Deliveries(store).begin(pending) is not None for _ in range(2)] == [True, False]


def test_what_was_recorded_since_it_was_read_is_not_recorded_again(
    store: Clock, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify(ONE, [of("started")], Deliveries(store))
    monkeypatch.setattr(store, "get", lambda keys: [None for _ in keys])
    notify(ONE, [of("started")], Deliveries(store))
    assert sender.sent == [("first", "started")]


def test_a_rollback_that_failed_goes_to_every_channel_and_first(store: Clock, sender: Sender) -> None:
    calendar = calendar_with(channel("first", "webhook"), channel("second", "smtp"), notify=("second",))
    sent = notify(calendar, [of("finished"), of("died"), of("rollback-failed")], Deliveries(store))
    assert [notice for name, notice in sender.sent if name == "second"] == ["rollback-failed", "died", "finished"]
    assert [notice for name, notice in sender.sent if name == "first"] == ["rollback-failed"]
    assert sent[0].message.priority == "urgent"


def test_a_game_day_that_was_removed_is_heard_of_on_every_channel(store: Clock, sender: Sender) -> None:
    notify(BOTH, [Notification("died", Occurrence("removed", PLANNED_MS))], Deliveries(store))
    assert sorted(sender.sent) == [("first", "died"), ("second", "died")]


def test_a_failing_channel_is_tried_again_soon_by_the_same_call(
    store: Clock, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "WAITS_S", (0, 0, *(60,) * ATTEMPTS))
    sender.failing = {"first"}
    (one,) = notify(ONE, [of("finished")], Deliveries(store))
    assert (one.state, one.attempts, one.why) == ("pending", 3, "it is broken")


@pytest.mark.usefixtures("long_waits")
def test_a_failing_channel_is_given_up_after_some_attempts_and_recorded(store: Clock, sender: Sender) -> None:
    sender.failing = {"first"}
    notify(BOTH, [of("finished")], Deliveries(store))
    for _ in range(ATTEMPTS + 3):
        store.at_ms += HOUR_MS
        notify(BOTH, [], Deliveries(store))
    assert len([one for one in sender.sent if one[0] == "first"]) == ATTEMPTS
    assert states(store) == {"first": "failed", "second": "delivered"}
    assert [one.why for one in Deliveries(store).recent() if one.state == "failed"] == ["it is broken"]


@pytest.mark.usefixtures("long_waits")
def test_a_failing_channel_is_not_tried_before_its_time(store: Clock, sender: Sender) -> None:
    sender.failing = {"first"}
    for _ in range(3):
        notify(ONE, [of("finished")], Deliveries(store))
    assert len(sender.sent) == 1
    sender.failing, store.at_ms = set(), store.at_ms + 60_000
    notify(ONE, [], Deliveries(store))
    assert (len(sender.sent), states(store)) == (2, {"first": "delivered"})


def test_a_clock_that_was_set_back_does_not_hold_up_the_next_attempt(store: Clock, sender: Sender) -> None:
    sender.failing = {"first"}
    notify(ONE, [of("finished")], Deliveries(store), within_s=0.01)
    sender.failing, store.at_ms = set(), store.at_ms - 6 * HOUR_MS
    notify(ONE, [], Deliveries(store))
    assert states(store) == {"first": "delivered"}


def test_an_attempt_that_was_killed_is_made_again_later(store: Clock, sender: Sender) -> None:
    record = Deliveries(store)
    notify(ONE, [of("finished")], record, within_s=0)  # recorded, and no time to send
    (pending,) = record.pending()
    assert record.begin(pending) is not None  # and its process is killed
    notify(ONE, [], record)
    assert sender.sent == []
    store.at_ms += ATTEMPT_LASTS_S * 1000
    notify(ONE, [], record)
    assert (sender.sent, states(store)) == ([("first", "finished")], {"first": "delivered"})


@pytest.mark.usefixtures("long_waits")
def test_what_is_of_no_use_after_the_start_is_not_sent_then(store: Clock, sender: Sender) -> None:
    sender.failing = {"first"}
    notify(ONE, [of("soon"), of("finished")], Deliveries(store))
    sender.sent.clear()
    store.at_ms = PLANNED_MS
    notify(ONE, [], Deliveries(store))
    assert sender.sent == [("first", "finished")]
    assert {one.message.notice: one.state for one in Deliveries(store).recent()} == {
        "soon": "expired",
        "finished": "pending",
    }


def test_a_channel_that_hangs_does_not_hold_up_the_others(store: Clock, sender: Sender) -> None:
    sender.hanging = {"first"}
    call = threading.Thread(target=notify, args=(BOTH, [of("rollback-failed")], Deliveries(store)), daemon=True)
    call.start()
    wait_for(lambda: states(store) == {"first": "pending", "second": "delivered"})
    sender.release.set()
    call.join()
    assert states(store) == {"first": "delivered", "second": "delivered"}


def test_a_channel_that_hangs_does_not_hold_up_the_caller(store: Clock, sender: Sender) -> None:
    sender.hanging = {"first"}
    notify(ONE, [of("rollback-failed")], Deliveries(store), within_s=0.1)
    assert states(store) == {"first": "pending"}


def test_notifications_beside_a_drill_hold_nobody_up_and_all_arrive(store: Clock, sender: Sender) -> None:
    sender.hanging = {"first"}
    beside = BackgroundNotifier(ONE, Deliveries(store))
    beside.send([of("started")])
    beside.send([of("finished")])
    assert sender.sent == []
    sender.release.set()
    beside.close(LONG_S)
    assert sender.sent == [("first", "started"), ("first", "finished")]


def test_without_the_record_only_the_loudest_is_sent(store: Clock, sender: Sender) -> None:
    store.is_away = True
    notify(ONE, [of("finished"), of("rollback-failed")], Deliveries(store))
    assert sender.sent == [("first", "rollback-failed")]


def test_another_calendar_in_the_same_store_is_left_alone(store: Clock, sender: Sender) -> None:
    notify(ONE, [of("finished")], Deliveries(store), within_s=0)
    other = Calendar(Path("other.yaml"), {}, channels=ONE.channels)
    notify(other, [], Deliveries(store))
    assert sender.sent == []
    notify(ONE, [], Deliveries(store))
    assert sender.sent == [("first", "finished")]


def test_a_record_that_ended_keeps_no_text(store: Clock, sender: Sender) -> None:
    notify(ONE, [of("finished", run="20270110T170000Z-failover-ab12")], Deliveries(store))
    assert [item.get("message") for item in store.partition("notifications#2027-01")] == [None]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("notice", get_args(Notice))
def test_every_notice_has_a_text(notice: Notice, language: str) -> None:
    message = message_of(ONE, of(notice, run="r-1", verdict="passed", outcome="missed", at_ms=PLANNED_MS), language)
    assert "Monthly failover" in message.title
    assert "sre@example.com" in message.text
    assert "2027-01-11" in message.text
    assert "02:00 JST" in message.text
    assert "2027-01-10 17:00 UTC" in message.text
    assert "    chaosdrill " in message.text
    assert "{" not in message.title + message.text
    assert message.subject.isascii()
    assert "\n" not in message.title + message.subject


@pytest.mark.parametrize("notice", get_args(Notice))
def test_the_command_in_a_text_can_be_run(notice: Notice) -> None:
    message = message_of(ONE, of(notice, run="20270110T170012Z-failover-ab12"), "en")
    (line,) = [one for one in message.text.splitlines() if one.startswith("    chaosdrill ")]
    words, command = shlex.split(line)[1:], cli
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]  # type: ignore[assignment]
    command.make_context("chaosdrill", words)


@pytest.mark.parametrize("notice", ["died", "started"])
def test_without_a_run_the_command_names_the_topology(notice: Notice) -> None:
    game_day = replace(ONE.game_days[OCCURRENCE.game_day], topology=Path("/etc/chaos drill/aws.yaml"))
    known = replace(ONE, game_days={game_day.id: game_day})
    assert " '/etc/chaos drill/aws.yaml'" in message_of(known, of(notice), "en").text
    assert "    chaosdrill" not in message_of(ONE, of(notice), "en").text


def test_why_an_occurrence_did_not_run_is_also_said_in_japanese() -> None:
    facts = {"outcome": "skipped", "code": "paused", "why": "the game day was paused at its planned instant"}
    assert f"理由: 一時停止中でした 「{facts['why']}」" in message_of(ONE, of("not-run", **facts), "ja").text
    assert f"Why: {facts['why']}" in message_of(ONE, of("not-run", **facts), "en").text


def test_the_codes_that_are_said_in_japanese_exist() -> None:
    codes = {key.removeprefix("why.") for key in MESSAGES if key.startswith("why.")}
    assert codes - set(ERROR_CODES) == set()


def test_both_languages_name_the_same_values() -> None:
    def values(text: str) -> set[str]:
        return {part.split("}")[0] for part in text.split("{")[1:]}

    assert [key for key, (english, japanese) in MESSAGES.items() if values(english) != values(japanese)] == []


def test_a_text_shows_no_secret_and_no_control_character() -> None:
    facts = {"why": "https://u:hunter2hunter2@x.example?sig=abcdef123456\x1b[31m\nBcc: me", "run": "r"}
    message = message_of(ONE, of("not-run", **facts), "en")
    for text in (message.text, str(message.data)):
        assert "hunter2hunter2" not in text
        assert "abcdef123456" not in text
    assert "\x1b" not in message.text
    assert "\nBcc" not in message.text
