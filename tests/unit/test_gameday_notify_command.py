"""``chaosdrill gameday notify``, and what docs/notifications.md says of webhooks."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result

from chaosdrill.cli import cli
from chaosdrill.gamedays.events import Notice, Notification
from chaosdrill.gamedays.loading import load_calendar
from chaosdrill.gamedays.notifications import Deliveries, notify
from chaosdrill.gamedays.notifications.channels import webhook
from chaosdrill.gamedays.notifications.channels.webhook import signed_headers
from chaosdrill.gamedays.stores import store_of
from tests.gameday_calendars import OCCURRENCE
from tests.webhooks import WebhookReceiver, webhook_receiver

PAGE = Path(__file__).resolve().parents[2] / "docs/notifications.md"
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
CALENDAR = """\
version: 1
channels:
  team: {kind: webhook, url: "URL", signing_key: {secret: TEST_HOOK_KEY}}
  chat: {kind: webhook, url: {secret: TEST_HOOK_URL}, signing_key: {secret: TEST_HOOK_KEY}, language: ja}
game_days:
  monthly-failover:
    owner: sre@example.com
    experiment: failover.yaml
    schedule: {zone: Asia/Tokyo, cron: 0 2 11 * *}
    window: {earliest: 01:00, latest_end: 05:00}
    worst_case_min: 90
    notify: [team, chat]
"""


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as server:
        yield server


@pytest.fixture
def calendar_file(receiver: WebhookReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A calendar of which one channel has no URL."""
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEST_HOOK_KEY", KEY)
    (tmp_path / "failover.yaml").touch()
    path = tmp_path / "gamedays.yaml"
    path.write_text(CALENDAR.replace("URL", receiver.url, 1))
    return path


def run(calendar_file: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["gameday", "notify", *words, "--calendar", str(calendar_file)])


def test_a_test_message_arrives(calendar_file: Path, receiver: WebhookReceiver) -> None:
    assert run(calendar_file, "test", "team").exit_code == 0
    ((_, body),) = receiver.received
    assert json.loads(body)["type"] == "gameday.test"


def test_each_test_is_a_message_of_its_own(calendar_file: Path, receiver: WebhookReceiver) -> None:
    run(calendar_file, "test", "team")
    run(calendar_file, "test", "team")
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 2


def test_every_channel_is_tried_and_one_that_fails_is_named(calendar_file: Path, receiver: WebhookReceiver) -> None:
    done = run(calendar_file, "test")
    assert (done.exit_code, len(receiver.received)) == (1, 1)
    assert "TEST_HOOK_URL" in done.stderr
    assert "[notification-not-delivered]" in done.stderr
    found = json.loads(run(calendar_file, "test", "--json").stdout)["channels"]
    assert [(one["channel"], one["delivered"]) for one in found] == [("team", True), ("chat", False)]


def test_a_channel_that_the_calendar_does_not_have_is_refused(calendar_file: Path, receiver: WebhookReceiver) -> None:
    done = run(calendar_file, "test", "teem", "team")
    assert (done.exit_code, receiver.received) == (2, [])
    assert "did you mean" in done.stderr


def test_what_became_of_notifications_is_listed(calendar_file: Path) -> None:
    calendar = load_calendar(str(calendar_file))
    notify(
        calendar,
        [Notification("finished", OCCURRENCE, {"verdict": "passed"})],
        Deliveries(store_of(calendar)),
        within_s=0.5,
    )
    found = json.loads(run(calendar_file, "list", "--json").stdout)["notifications"]
    assert {one["channel"]: one["state"] for one in found} == {"team": "delivered", "chat": "pending"}
    assert ["TEST_HOOK_URL" in one["why"] for one in found if one["channel"] == "chat"] == [True]
    assert "delivered" in run(calendar_file, "list").stdout


def test_a_calendar_without_channels_says_so(calendar_file: Path) -> None:
    text = calendar_file.read_text()
    calendar_file.write_text(re.sub(r"channels:\n(  .*\n){2}", "", text).replace("    notify: [team, chat]\n", ""))
    assert run(calendar_file, "test").exit_code == 2
    assert run(calendar_file, "list").exit_code == 0


@pytest.fixture(scope="module")
def verify() -> Any:
    """The function in the document with which a receiver verifies a signature."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    return names["verify"]


def test_the_documented_receiver_accepts_what_is_sent(
    verify: Any, calendar_file: Path, receiver: WebhookReceiver
) -> None:
    run(calendar_file, "test", "team")
    ((headers, body),) = receiver.received
    verify(headers, body, KEY)


@pytest.mark.parametrize(
    ("body", "key", "at_s"),
    [(b'{"a":2}', KEY, 0), (b'{"a":1}', "whsec_" + base64.b64encode(bytes(32)).decode(), 0), (b'{"a":1}', KEY, 301)],
    ids=["altered", "other key", "old"],
)
def test_the_documented_receiver_refuses_what_was_not_sent_like_that(
    verify: Any, body: bytes, key: str, at_s: int
) -> None:
    headers = signed_headers(KEY, "msg_1", 1_800_000_000, b'{"a":1}')
    verify(headers, b'{"a":1}', KEY, now_s=1_800_000_000)
    with pytest.raises(ValueError, match=r"signature|old"):
        verify(headers, body, key, now_s=1_800_000_000 + at_s)


def test_the_signature_is_that_of_a_published_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """See: https://docs.svix.com/receiving/verifying-payloads/how-manual, whose key is shorter than is allowed here."""
    monkeypatch.setattr(webhook, "FEWEST_BYTES", 18)
    body = b'{"event_type":"ping","data":{"success":true}}'
    headers = signed_headers("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_the_page_has_every_notice() -> None:
    assert [one for one in get_args(Notice) if f"| `{one}` |" not in PAGE.read_text()] == []


def test_the_documented_settings_are_valid(tmp_path: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    (tmp_path / "failover.yaml").touch()
    game_day = CALENDAR[CALENDAR.index("    owner") : CALENDAR.index("    notify")]
    (tmp_path / "gamedays.yaml").write_text("version: 1\n" + text.replace("    # …\n", game_day))
    calendar = load_calendar(str(tmp_path / "gamedays.yaml"))
    assert {one.kind for one in calendar.channels.values()} == {"webhook", "smtp", "sns", "apprise"}
