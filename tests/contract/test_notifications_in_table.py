"""Notifications of game days whose ledger is a DynamoDB table: each once per channel, whoever sends it."""

import json
import threading
from pathlib import Path

import pytest

from chaosdrill.aws import system_of
from chaosdrill.coordination.table import TableStore
from chaosdrill.gamedays.calendar import Channel
from chaosdrill.gamedays.events import Notification
from chaosdrill.gamedays.notifications import Deliveries, Delivery, notify, sending
from chaosdrill.gamedays.notifications.delivery import NotDelivered
from tests.contract.lab_aws import LabAws
from tests.gameday_calendars import OCCURRENCE, calendar_with, channel

CALENDAR = calendar_with(channel("first", "webhook"))


@pytest.fixture
def sent(aws: LabAws, tmp_path: Path) -> Deliveries:
    """The deliveries in the coordination table of the endpoint."""
    topology = tmp_path / "topology.json"
    topology.write_text(json.dumps(aws.topology))
    system = system_of({"topology": str(topology)})
    table = system.topology.coordination
    assert table is not None
    return Deliveries(TableStore(system.coordination_client(table.region), table))


def of(detail: str) -> Notification:
    return Notification("transition", OCCURRENCE, {"detail": detail})


def states(sent: Deliveries, detail: str) -> list[tuple[str, int, str]]:
    return [(one.state, one.attempts, one.message.text) for one in sent.recent() if detail in one.key]


def test_many_processes_at_once_send_one(sent: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(sending, "send", lambda _channel, one: used.append(one.key) or "")
    calls = [threading.Thread(target=notify, args=(CALENDAR, [of("at once")], sent)) for _ in range(6)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert len(used) == 1
    assert states(sent, "at once") == [("delivered", 1, "")]


def test_a_failed_attempt_is_recorded_with_its_text(sent: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_channel: Channel, _delivery: Delivery) -> str:
        raise NotDelivered("it is broken")

    monkeypatch.setattr(sending, "send", fail)
    notify(CALENDAR, [of("failing")], sent, within_s=0.5)
    ((state, attempts, text),) = states(sent, "failing")
    assert state == "pending"
    assert attempts >= 1, "the table's time is known to the second, so that a second one may have been due"
    assert "Monthly" in text


def test_more_notifications_than_one_read_has_are_recorded(sent: Deliveries) -> None:
    notify(CALENDAR, [of(f"many {number}") for number in range(30)] * 2, sent, within_s=0)
    assert len(states(sent, "many")) == 30
