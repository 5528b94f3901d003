"""Sends a message over a channel: signed webhook, SMTP, Amazon SNS, and everything else by Apprise."""

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from chaosdrill import history
from chaosdrill.gamedays.calendar import Channel
from chaosdrill.gamedays.notifications.channels import apprise, smtp, sns, webhook
from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered
from chaosdrill.history.secrets import without_secrets
from chaosdrill.terminal_text import one_line

LONGEST_WHY = 500  # characters
_SHORTEST_PART = 6  # characters of a part of a secret URL that is hidden by itself

_SENDERS: Mapping[str, Callable[[Mapping[str, Any], Delivery], str]] = {
    "webhook": webhook.send,
    "smtp": smtp.send,
    "sns": sns.send,
    "apprise": apprise.send,
}


def send(channel: Channel, delivery: Delivery) -> str:
    """Make one attempt to deliver a message.

    :returns: what the channel left out, such as a recipient that was refused; empty when it delivered everything.
    :raises NotDelivered: when the channel did not accept it, with the reason; no secret is in it.
    """
    hide: set[str] = set()
    try:
        return _SENDERS[channel.kind](resolved(channel.settings, hide), delivery)
    except Exception as error:  # of libraries for a hundred services: whichever it is, the drill goes on
        why = str(error) if isinstance(error, NotDelivered) else f"{type(error).__name__}: {error}"
        raise NotDelivered(one_line(without_secrets(why, hide))[:LONGEST_WHY]) from error


def resolved(settings: Mapping[str, Any], hide: set[str]) -> dict[str, Any]:
    """Replace ``{secret: NAME}`` in the settings of a channel by the environment's variable of that name.

    :param hide: receives the texts that no message may show.
    :raises NotDelivered: when there is no such variable.
    """
    return {name: _resolved(name, value, hide) for name, value in settings.items()}


def _resolved(setting: str, value: Any, hide: set[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    name = str(value["secret"])
    if not (found := os.environ.get(name, "").strip()):
        raise NotDelivered(f"{setting}: the environment variable {name} is not set")
    history.register_secret(found)
    hide |= {found, *_parts(found)}
    return found


def _parts(secret: str) -> set[str]:
    """The parts of a secret URL: libraries report the path or the user alone, encoded or not."""
    url = urlsplit(secret)
    if not url.scheme or not url.netloc:
        return set()
    parts = {url.path, url.query, url.username or "", url.password or "", url.netloc, *url.path.split("/")}
    forms = {form for one in parts for form in (one, quote(one), unquote(one))}
    return {one for one in forms if len(one) >= _SHORTEST_PART}
