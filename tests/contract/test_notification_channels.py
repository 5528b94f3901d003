"""The channels of notifications against real receivers: HTTP, SMTP with and without TLS, SNS, and Apprise."""

import base64
import email
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message as Email
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaosdrill.gamedays.calendar import Channel
from chaosdrill.gamedays.events import Notice, Notification
from chaosdrill.gamedays.notifications.channels import send
from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered
from chaosdrill.gamedays.notifications.texts import message_of
from tests.gameday_calendars import OCCURRENCE, PLANNED_MS, calendar_with, channel
from tests.waiting import LONG_S, wait_for
from tests.webhooks import WebhookReceiver, webhook_receiver

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PASSWORD = "correct-horse-battery"
apprise = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
REGION = "ap-southeast-1"
KEYS = {"aws_access_key_id": "AKIATESTTESTTESTTEST", "aws_secret_access_key": "test-secret"}


def delivery(notice: Notice = "finished", language: str = "en", **facts: Any) -> Delivery:
    message = message_of(calendar_with(), Notification(notice, OCCURRENCE, {"verdict": "passed", **facts}), language)
    return Delivery(f"{OCCURRENCE.key} {notice} > here", "here", message, PLANNED_MS)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as server:
        yield server


@pytest.fixture
def webhook(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> Channel:
    monkeypatch.setenv("HOOK_URL", receiver.url)
    monkeypatch.setenv("HOOK_KEY", KEY)
    return channel("hook", "webhook", url={"secret": "HOOK_URL"}, signing_key={"secret": "HOOK_KEY"})


def test_a_webhook_is_signed_over_identifier_time_and_body(webhook: Channel, receiver: WebhookReceiver) -> None:
    send(webhook, delivery())
    ((headers, body),) = receiver.received
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert headers["webhook-id"] == delivery().id
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < LONG_S
    document = json.loads(body)
    assert document["type"] == "gameday.finished"
    assert document["data"]["occurrence"] == OCCURRENCE.key
    assert document["data"]["facts"] == {"verdict": "passed"}


@pytest.mark.parametrize("status", [302, 400, 401, 500, 503])
def test_a_webhook_that_is_not_accepted_is_not_delivered(
    webhook: Channel, receiver: WebhookReceiver, status: int
) -> None:
    receiver.status = status
    with pytest.raises(NotDelivered, match=str(status)):
        send(webhook, delivery())
    assert len(receiver.received) == 1


def test_a_webhook_that_nobody_answers_shows_no_secret(webhook: Channel, receiver: WebhookReceiver) -> None:
    receiver.shutdown()
    receiver.server_close()
    with pytest.raises(NotDelivered) as caught:
        send(webhook, delivery())
    assert "secretpart" not in str(caught.value)
    assert all(name in str(caught.value) for name in ("127.0.0.1", "ConnectionRefusedError"))


@pytest.mark.parametrize("key", ["", "short", "whsec_c2hvcnQ=", "whsec_" + "!" * 44])
def test_a_webhook_is_not_sent_without_a_key_that_protects(
    webhook: Channel, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("HOOK_KEY", key)
    with pytest.raises(NotDelivered) as caught:
        send(webhook, delivery())
    assert receiver.received == []
    assert len(key) < 6 or key not in str(caught.value)


class Mailbox:
    """What a mail server was given."""

    def __init__(self) -> None:
        self.mails: list[Email] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


class MailServer(Controller):
    """A mail server; with STARTTLS it wants a login first."""

    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        self._options = options
        super().__init__(mailbox, hostname="127.0.0.1", port=0, ready_timeout=LONG_S)

    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="mail.test", **self._options)

    def _trigger_server(self) -> None:
        """Make the first connection, for which a controller waits, to the port that the system has chosen."""
        socket.create_connection(("127.0.0.1", port_of(self)), LONG_S).close()


def port_of(server: Controller) -> int:
    """Return the port of a mail server that has started."""
    sockets: Any = server.server.sockets  # type: ignore[union-attr]
    port: int = sockets[0].getsockname()[1]
    return port


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    server = MailServer(mailbox, **options)
    server.start()
    try:
        yield port_of(server)
    finally:
        server.stop()


def mail(port: int, **settings: Any) -> Channel:
    known = {"host": "127.0.0.1", "port": port, "from": "drills@example.com", "to": ["a@example.com", "b@example.com"]}
    return channel("mail", "smtp", **{**known, **settings})


def test_an_email_arrives_at_every_recipient() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        assert send(mail(port, security="none"), delivery("rollback-failed", "ja", run="r-1", owed=["障害注入"])) == ""
    (one,) = mailbox.mails
    assert one["Subject"] == "【緊急・ロールバック失敗】Monthly failover"
    assert one["To"] == "a@example.com, b@example.com"
    assert one["Importance"] == "high"
    assert one["Message-ID"] == f"<{delivery('rollback-failed').id}@chaosdrill.invalid>"
    assert "障害注入" in one.get_content()  # type: ignore[attr-defined]


def test_a_recipient_that_is_refused_is_named_and_the_others_get_it() -> None:
    mailbox = Mailbox()
    mailbox.refused = {"b@example.com"}
    with mail_server(mailbox) as port:
        assert "b@example.com" in send(mail(port, security="none"), delivery())
        mailbox.refused.add("a@example.com")
        with pytest.raises(NotDelivered):
            send(mail(port, security="none"), delivery())
    assert len(mailbox.mails) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def starttls(mailbox: Mailbox, certificate: Path) -> dict[str, Any]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return {"tls_context": context, "require_starttls": True, "authenticator": mailbox.authenticate}


def test_a_login_is_made_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    mailbox = Mailbox()
    with mail_server(mailbox, **starttls(mailbox, certificate)) as port:
        send(mail(port, user="drills", password={"secret": "MAIL_PASSWORD"}), delivery())
    assert mailbox.logins == [(b"drills", PASSWORD.encode())]
    assert len(mailbox.mails) == 1


def test_a_wrong_password_is_not_shown(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("MAIL_PASSWORD", "wrong-horse-battery")
    mailbox = Mailbox()
    with mail_server(mailbox, **starttls(mailbox, certificate)) as port, pytest.raises(NotDelivered) as caught:
        send(mail(port, user="drills", password={"secret": "MAIL_PASSWORD"}), delivery())
    assert "wrong-horse" not in str(caught.value)
    assert mailbox.mails == []


@pytest.mark.parametrize("security", ["starttls", "none"])
def test_no_password_is_sent_to_a_server_that_cannot_prove_itself(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    mailbox = Mailbox()
    plain = {"auth_require_tls": False, "authenticator": mailbox.authenticate}
    options = starttls(mailbox, certificate) if security == "starttls" else plain
    with mail_server(mailbox, **options) as port, pytest.raises(NotDelivered):
        send(mail(port, security=security, user="drills", password={"secret": "MAIL_PASSWORD"}), delivery())
    assert mailbox.logins == []


@pytest.fixture(scope="module")
def services() -> Iterator[str]:
    """The URL of SNS and SQS."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def sns_url(services: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", services)
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    return services


@pytest.mark.parametrize("suffix", ["", pytest.param(".fifo", marks=pytest.mark.long)])
def test_a_topic_of_sns_passes_a_message_on(sns_url: str, suffix: str) -> None:
    def client(service: str) -> Any:
        return boto3.client(service, REGION, endpoint_url=sns_url, **KEYS)  # type: ignore[call-overload]

    attributes = {"FifoTopic": "true"} if suffix else {}
    queue_attributes = {"FifoQueue": "true"} if suffix else {}
    topic = client("sns").create_topic(Name=f"gamedays{suffix}", Attributes=attributes)["TopicArn"]
    queue = client("sqs").create_queue(QueueName=f"people{suffix}", Attributes=queue_attributes)["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    send(channel("topic", "sns", "ja", topic=topic), delivery("soon", "ja"))
    received = wait_for(lambda: client("sqs").receive_message(QueueUrl=queue).get("Messages", []))
    message = json.loads(received[0]["Body"])
    sent = delivery("soon", "ja").message
    assert sent.subject.startswith(message["Subject"]), "a long one is cut"
    assert message["Subject"].isascii()
    assert message["Message"].startswith(sent.title)
    assert not sent.title.isascii()
    assert message["MessageAttributes"]["notice"]["Value"] == "soon"


@pytest.mark.usefixtures("sns_url")
def test_a_topic_that_does_not_exist_is_not_delivered() -> None:
    topic = f"arn:aws:sns:{REGION}:123456789012:nowhere"
    with pytest.raises(NotDelivered, match="nowhere"):
        send(channel("topic", "sns", topic=topic), delivery())


@apprise
def test_apprise_hands_a_message_over(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPRISE_URL", receiver.url.replace("http://", "json://"))
    used = channel("chat", "apprise", url={"secret": "APPRISE_URL"})
    send(used, delivery("rollback-failed"))
    document = json.loads(receiver.received[0][1])
    assert (document["title"], document["type"]) == (delivery("rollback-failed").message.title, "failure")


@apprise
def test_what_apprise_could_not_deliver_shows_no_secret(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPRISE_URL", receiver.url.replace("http://", "json://"))
    receiver.status = 500
    with pytest.raises(NotDelivered) as caught:
        send(channel("chat", "apprise", url={"secret": "APPRISE_URL"}), delivery())
    assert "500" in str(caught.value)
    assert "secretpart" not in str(caught.value)


@apprise
def test_a_url_that_apprise_does_not_know_is_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPRISE_URL", "nothing://secretpart")
    with pytest.raises(NotDelivered) as caught:
        send(channel("chat", "apprise", url={"secret": "APPRISE_URL"}), delivery())
    assert "secretpart" not in str(caught.value)
