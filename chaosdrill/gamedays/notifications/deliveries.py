"""The record of deliveries, in the store of the game days' ledger: each notification once per channel.

=========================  ==========  ================================================================================
partition key              sort key    attributes, beside those of every item of coordination
=========================  ==========  ================================================================================
``notified#KEY``           ``sent``    none: the notification was recorded once, for this channel
``notifications#YYYY-MM``  ``KEY``     the fields of :class:`Delivery`; ``message`` as JSON, while it is pending
=========================  ==========  ================================================================================

The month is that in which it was recorded, UTC: a tick reads this one and the last one.
"""

import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from chaosdrill.coordination import items
from chaosdrill.coordination.holders import user_name
from chaosdrill.coordination.items import Item, ItemWrite, Key, Value
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays.ledger import months
from chaosdrill.gamedays.notifications.delivery import Delivery, Message

ONCE_LASTS_S = 400 * items.DAY_S  # as long as the ledger keeps an occurrence
RECORD_LASTS_S = 90 * items.DAY_S
RECENT_MS = 31 * items.DAY_S * 1000  # longer than an attempt may be waited for
_TOGETHER = 25  # keys of one read: what DynamoDB reads together in every version of its limits
_TEXTS = ("key", "channel", "state", "why")
_NUMBERS = ("created_ms", "attempts", "next_ms", "until_ms")


class Sent(Protocol):
    """What an attempt needs of the record."""

    def now_ms(self) -> int:
        """Return the time by which deliveries are due, in milliseconds since 1970."""

    def begin(self, delivery: Delivery) -> Delivery | None:
        """Record that an attempt begins; None when another process makes it, or has made it."""

    def end(self, delivery: Delivery) -> None:
        """Record how an attempt ended."""


class Deliveries:
    """The deliveries in a store.

    Every method raises ``CannotSee`` when the store cannot be read or written.
    """

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._by = f"{user_name()}@{socket.gethostname()}"

    def now_ms(self) -> int:
        """Return the store's time, in milliseconds since 1970."""
        return self._store.now_ms()

    def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Record deliveries that were not recorded before, by their keys.

        :returns: those that are new.
        """
        return [one for one in self._unknown(deliveries) if self._is_first(one)]

    def _unknown(self, deliveries: Sequence[Delivery]) -> Iterable[Delivery]:
        """Leave out what is recorded: most are, and a read is cheaper than a write that fails."""
        for begin in range(0, len(deliveries), _TOGETHER):
            part = deliveries[begin : begin + _TOGETHER]
            found = self._store.get([_once_key(one.key) for one in part])
            yield from (one for one, item in zip(part, found, strict=True) if item is None)

    def _is_first(self, one: Delivery) -> bool:
        known = items.stamp(self._by, one.created_ms)
        once: dict[str, Value] = {**known, items.TTL: items.ttl_after(one.created_ms, ONCE_LASTS_S)}
        sets = {**known, **_attributes(one), "message": _json(one.message)}
        sets[items.TTL] = items.ttl_after(one.created_ms, RECORD_LASTS_S)
        try:
            self._store.transact(
                [
                    ItemWrite(_once_key(one.key), once, when=(items.IS_NEW,)),
                    ItemWrite(_key(one), sets, when=(items.NOT_NEWER,)),
                ]
            )
        except ConditionFailed:
            return False
        return True

    def pending(self) -> list[Delivery]:
        """Read the deliveries that have not ended."""
        return [one for one in self.recent() if one.state == "pending"]

    def recent(self) -> list[Delivery]:
        """Read the deliveries of this month and the last one, the oldest first; ended ones have no texts any more."""
        now_ms = self.now_ms()
        partitions = [f"notifications#{month}" for month in months(now_ms - RECENT_MS, now_ms + 1)]
        found = (item for partition in partitions for item in self._store.partition(partition))
        known = [_delivery_of(items.require_readable(item, str(self._store))) for item in found]
        return sorted(known, key=lambda one: (one.created_ms, one.key))

    def begin(self, delivery: Delivery) -> Delivery | None:
        """Record that an attempt begins; None when another process makes it, or has made it."""
        begun = delivery.begun(self.now_ms())
        return begun if self._write(delivery.attempts, begun) else None

    def end(self, delivery: Delivery) -> None:
        """Record how an attempt ended; what another process has recorded since stays."""
        self._write(delivery.attempts, delivery)

    def _write(self, attempts: int, one: Delivery) -> bool:
        """Write a delivery that is pending, and of which so many attempts were made."""
        removes = () if one.state == "pending" else ("message",)
        when = (items.NOT_NEWER, items.IS_PENDING, (items.equals("attempts", attempts),))
        try:
            self._store.update(ItemWrite(_key(one), _attributes(one), removes, when))
        except ConditionFailed:
            return False
        return True


class Unrecorded:
    """The record of an attempt where the store cannot be used: nothing is recorded."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time, in milliseconds since 1970."""
        return self._now_ms

    def begin(self, delivery: Delivery) -> Delivery | None:
        """Begin an attempt."""
        return delivery.begun(self._now_ms)

    def end(self, delivery: Delivery) -> None:
        """Record nothing."""


def _once_key(key: str) -> Key:
    return f"notified#{key}", "sent"


def _key(one: Delivery) -> Key:
    (month,) = months(one.created_ms, one.created_ms + 1)
    return f"notifications#{month}", one.key


def _attributes(one: Delivery) -> dict[str, Value]:
    facts: dict[str, Value] = {name: getattr(one, name) for name in (*_TEXTS, *_NUMBERS)}
    return {
        **facts,
        "notice": one.message.notice,
        "game_day": one.message.game_day,
        "planned_ms": one.message.planned_ms,
    }


def _json(message: Message) -> str:
    return json.dumps(asdict(message), ensure_ascii=False)


def _delivery_of(item: Item) -> Delivery:
    """Read a delivery from its item.

    :raises CannotSee: ``coordination-invalid``: it lacks something.
    """
    try:
        texts: dict[str, Any] = {name: str(item[name]) for name in _TEXTS}
        numbers: dict[str, Any] = {name: int(item[name]) for name in _NUMBERS}
        return Delivery(message=_message_of(item), **texts, **numbers)
    except (KeyError, TypeError, ValueError) as error:
        where = f"{item.get(items.PARTITION_KEY)} {item.get(items.SORT_KEY)}"
        why = f"the item {where} of coordination is invalid: {type(error).__name__}: {error}"
        raise CannotSee(why, code="coordination-invalid") from error


def _message_of(item: Item) -> Message:
    if "message" in item:
        return Message(**json.loads(item["message"]))
    return Message(item["notice"], str(item["game_day"]), int(item["planned_ms"]), "", "", "")
