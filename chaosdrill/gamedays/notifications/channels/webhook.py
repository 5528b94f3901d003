"""Sends a message as a signed webhook.

The signature is that of Standard Webhooks, for which there are libraries in most languages: HMAC-SHA256 of identifier,
time and body, so that a receiver recognizes alterations, repetitions and old requests.

:source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from chaosdrill import __version__
from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64  # of a key
TIMEOUT_S = (5, 10)  # to connect; between two pieces of the response


def send(settings: Mapping[str, Any], delivery: Delivery) -> str:
    """Post a message as JSON, signed.

    :param settings: ``url`` and ``signing_key``.
    :raises NotDelivered: when the response is not 2xx, redirects included, or there is none.
    """
    import requests

    body = body_of(delivery)
    headers = {
        "content-type": "application/json",
        "user-agent": f"chaosdrill/{__version__}",
        **signed_headers(settings["signing_key"], delivery.id, int(time.time()), body),
    }
    try:
        with requests.post(
            settings["url"], data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
        ) as response:
            status = response.status_code
    except requests.RequestException as error:
        raise NotDelivered(f"{_host(settings['url'])} did not respond: {_cause(error)}") from error
    if not 200 <= status < 300:
        raise NotDelivered(f"{_host(settings['url'])} responded with {status} instead of 2xx")
    return ""


def body_of(delivery: Delivery) -> bytes:
    """Return the JSON document of a message: type, time and data, as Standard Webhooks has them."""
    message = delivery.message
    created = datetime.fromtimestamp(delivery.created_ms / 1000, UTC)
    document = {
        "type": f"gameday.{message.notice}",
        "timestamp": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {**message.data, "priority": message.priority, "title": message.title, "text": message.text},
    }
    return json.dumps(document, ensure_ascii=False).encode()


def signed_headers(signing_key: str, identifier: str, at_s: int, body: bytes) -> dict[str, str]:
    """Sign a request.

    :param signing_key: ``whsec_`` and 24 to 64 random bytes as base64.
    :param at_s: when it is sent, seconds since 1970.
    :returns: the headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``.
    :raises NotDelivered: when the key does not have that form.
    """
    content = f"{identifier}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.new(_key(signing_key), content, hashlib.sha256).digest()).decode()
    return {"webhook-id": identifier, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{signature}"}


def _key(signing_key: str) -> bytes:
    try:
        key = base64.b64decode(signing_key.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise NotDelivered(
            f"signing_key is not `{PREFIX}` and {FEWEST_BYTES} to {MOST_BYTES} bytes as base64: make one with "
            f'`echo "{PREFIX}$(openssl rand -base64 32)"`'
        )
    return key


def _cause(error: BaseException) -> str:
    """Name the first error of a chain, such as ``ConnectionRefusedError``; the last ones repeat the whole URL."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the webhook"
