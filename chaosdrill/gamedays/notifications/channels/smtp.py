"""Sends a message as an e-mail."""

import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered

PORTS = {"starttls": 587, "tls": 465, "none": 25}
TIMEOUT_S = 10


def send(settings: Mapping[str, Any], delivery: Delivery) -> str:
    """Hand a message over to a mail server.

    :param settings: ``host``, ``from``, ``to``; ``port``, ``security``, ``user``, ``password``.
    :returns: the recipients that the server refused, when it accepted others.
    :raises NotDelivered: when the server accepted it for no recipient.
    """
    try:
        with _connected(settings) as server:
            if user := settings.get("user"):
                server.login(user, settings.get("password", ""))
            refused = server.send_message(_email(settings, delivery), settings["from"], list(settings["to"]))
    except (smtplib.SMTPException, OSError) as error:
        raise NotDelivered(f"{settings['host']}: {type(error).__name__}: {error}") from error
    return f"{settings['host']} refused {', '.join(sorted(refused))}" if refused else ""


def _connected(settings: Mapping[str, Any]) -> smtplib.SMTP:
    security, host = settings.get("security", "starttls"), settings["host"]
    if security == "none" and settings.get("user"):
        raise NotDelivered("a password is not sent without TLS: use `security: starttls` or `tls`")
    # this machine's full name would be looked up otherwise, which may take longer than all else
    known: dict[str, Any] = {"timeout": TIMEOUT_S, "local_hostname": socket.gethostname()}
    port = int(settings.get("port", PORTS[security]))
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, context=ssl.create_default_context(), **known)
    server = smtplib.SMTP(host, port, **known)
    try:
        if security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except BaseException:
        server.close()
        raise
    return server


def _email(settings: Mapping[str, Any], delivery: Delivery) -> EmailMessage:
    email, message = EmailMessage(), delivery.message
    email["Subject"], email["From"], email["To"] = message.title, settings["from"], ", ".join(settings["to"])
    email["Date"] = formatdate(localtime=False)
    email["Message-ID"] = f"<{delivery.id}@chaosdrill.invalid>"  # the same at each attempt: readers show it once
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    if message.priority != "normal":
        email["X-Priority"], email["Importance"] = "1 (Highest)", "high"
    email.set_content(message.text)
    return email
