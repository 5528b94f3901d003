"""One notification on its way to one channel, as a value. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chaosdrill.gamedays.events import Notice

State = Literal["pending", "delivered", "failed", "expired"]
Priority = Literal["normal", "high", "urgent"]

# Seconds between an attempt and the next one; after the last one the delivery has failed. The first two are short
# enough for the same call of `notify`; the others are made by the following ticks.
WAITS_S = (1, 3, 60, 120, 240, 480, 900, 1800, 3600)
ATTEMPTS = len(WAITS_S) + 1
ATTEMPT_LASTS_S = 60  # longer than an attempt takes: when it is not recorded by then, its process was killed


class NotDelivered(Exception):
    """A channel did not accept a message; the text says why, without any secret."""


@dataclass(frozen=True)
class Message:
    """What a channel sends.

    :param subject: ``title`` in English and ASCII, of one line: for channels that accept nothing else.
    :param data: the same for machines: JSON values.
    """

    notice: Notice | Literal["test"]
    game_day: str
    planned_ms: int
    title: str
    text: str
    subject: str
    priority: Priority = "normal"
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """A message on its way to a channel.

    :param key: of the notification and the channel: it is delivered once.
    :param attempts: how many have begun.
    :param next_ms: when the next attempt may begin, milliseconds since 1970, by the store's clock.
    :param until_ms: when it is of no use any more; 0: never.
    :param why: why the last attempt failed, or what it left out.
    """

    key: str
    channel: str
    message: Message
    created_ms: int
    state: State = "pending"
    attempts: int = 0
    next_ms: int = 0
    until_ms: int = 0
    why: str = ""

    @property
    def id(self) -> str:
        """The same for every attempt, so that receivers recognize a repetition."""
        return f"msg_{hashlib.sha256(self.key.encode()).hexdigest()[:32]}"

    def is_due(self, now_ms: int) -> bool:
        """Whether an attempt may begin now; also where the clock was set back since the last one."""
        return self.state == "pending" and not 0 < self.next_ms - now_ms <= max(WAITS_S) * 1000

    def begun(self, now_ms: int) -> "Delivery":
        """Return it with one more attempt, which also covers the case that its process is killed meanwhile."""
        return replace(self, attempts=self.attempts + 1, next_ms=now_ms + ATTEMPT_LASTS_S * 1000)

    def delivered(self, note: str = "") -> "Delivery":
        """Return it as the channel has accepted it."""
        return replace(self, state="delivered", why=note)

    def refused(self, why: str, now_ms: int) -> "Delivery":
        """Return it as the last attempt failed: it is tried again, unless it was the last one."""
        if self.attempts >= ATTEMPTS:
            return replace(self, state="failed", why=why)
        return replace(self, next_ms=now_ms + WAITS_S[self.attempts - 1] * 1000, why=why)

    def expired(self) -> "Delivery":
        """Return it as it is of no use any more."""
        return replace(self, state="expired")
