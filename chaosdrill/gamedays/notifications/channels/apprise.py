"""Sends a message over one of the services that Apprise knows, such as Slack, Teams and PagerDuty.

:source: https://github.com/caronc/apprise
"""

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaosdrill.extras import install_command
from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered

_KINDS = {"normal": "info", "high": "warning", "urgent": "failure"}


def send(settings: Mapping[str, Any], delivery: Delivery) -> str:
    """Hand a message over to Apprise.

    :param settings: ``url``: the service, with what it needs, as Apprise writes it.
    :raises NotDelivered: when Apprise is not installed, does not know the URL, or did not deliver it.
    """
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError as error:
        raise NotDelivered(f"apprise is not installed: {install_command('notify')}") from error
    message = delivery.message
    with _warnings() as warnings:
        services = apprise.Apprise()
        if not services.add(settings["url"]):
            raise NotDelivered("apprise does not know such a URL: see its list of services")
        kind = apprise.NotifyType(_KINDS[message.priority])
        if not services.notify(title=message.title, body=message.text, notify_type=kind, body_format="text"):
            raise NotDelivered("; ".join(["apprise did not deliver it", *warnings]))
    return ""


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what Apprise logs: it returns no reason."""
    texts: list[str] = []
    collector = logging.Handler(logging.WARNING)
    collector.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("apprise")
    logger.addHandler(collector)
    try:
        yield texts
    finally:
        logger.removeHandler(collector)
