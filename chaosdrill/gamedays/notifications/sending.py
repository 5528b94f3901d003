"""Sends notifications over the channels of their game days, each once, within a bounded time."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chaosdrill.errors import DrillError
from chaosdrill.gamedays.calendar import Calendar, Channel
from chaosdrill.gamedays.events import Notice, Notification
from chaosdrill.gamedays.notifications.channels import send
from chaosdrill.gamedays.notifications.deliveries import Deliveries, Sent, Unrecorded
from chaosdrill.gamedays.notifications.delivery import Delivery, NotDelivered
from chaosdrill.gamedays.notifications.texts import message_of

WITHIN_S = 20.0  # of one call, so that a tick ends before the next one
_LOUDEST: Notice = "rollback-failed"
_FIRST: tuple[str, ...] = (_LOUDEST, "died", "overdue")
_BEFORE: tuple[Notice, ...] = ("planned", "soon", "approval-needed")  # of no use after the planned instant

logger = logging.getLogger("chaosdrill")


def notify(
    calendar: Calendar, notifications: Iterable[Notification], sent: Deliveries, *, within_s: float = WITHIN_S
) -> tuple[Delivery, ...]:
    """Send notifications, and those of earlier calls that are due again.

    Each notification goes to each channel once, however often and by however many processes it is handed over; one that
    a channel has not accepted is tried again by later calls, ten times in about two hours. Each channel has a thread of
    its own, so that one that hangs holds up neither the others nor the caller. Nothing is raised for a channel that
    fails, nor for a record that cannot be written: ``rollback-failed`` is sent even then.

    :param notifications: of game days of ``calendar``.
    :param sent: the record of what was sent.
    :param within_s: how long sending takes at most, in seconds; what has not ended then is tried again later.
    :returns: the deliveries of which an attempt was made, the most urgent first.
    """
    known = {one.key: one for one in _deliveries(calendar, notifications, sent)}
    new = sorted(known.values(), key=_rank)
    record: Sent = sent
    try:
        due = _due(calendar, new, sent)
    except DrillError as error:
        logger.error("Notifications could not be recorded: %s", error)
        record, due = Unrecorded(_local_ms()), [one for one in new if one.message.notice == _LOUDEST]
    return _sent_within(calendar, due, record, time.monotonic() + within_s)


def _deliveries(calendar: Calendar, notifications: Iterable[Notification], sent: Deliveries) -> Iterator[Delivery]:
    now_ms = _now_ms(sent)
    for one in notifications:
        for channel in channels_of(calendar, one):
            message = message_of(calendar, one, channel.language)
            until_ms = one.occurrence.planned_ms if one.notice in _BEFORE else 0
            yield Delivery(f"{one.key} > {channel.name}", channel.name, message, now_ms, until_ms=until_ms)


def channels_of(calendar: Calendar, notification: Notification) -> Sequence[Channel]:
    """List the channels that a notification goes to.

    Those of its game day; of ``rollback-failed``, and of a game day that the calendar no longer has, all channels.
    """
    game_day = calendar.game_days.get(notification.occurrence.game_day)
    if notification.notice == _LOUDEST or game_day is None:
        return list(calendar.channels.values())
    return [calendar.channels[name] for name in game_day.notify if name in calendar.channels]


def _due(calendar: Calendar, new: Sequence[Delivery], sent: Deliveries) -> list[Delivery]:
    """Record what is new, and read what is due; what has expired is recorded as such."""
    sent.add(new)
    now_ms, due = sent.now_ms(), []
    keys = {one.key for one in new}
    for one in sent.pending():
        if one.channel not in calendar.channels or not (one.key in keys or one.message.game_day in calendar.game_days):
            continue  # another calendar's, in the same table
        if one.until_ms and one.until_ms <= now_ms:
            sent.end(one.expired())
        elif one.is_due(now_ms):
            due.append(one)
    return sorted(due, key=_rank)


def _sent_within(calendar: Calendar, due: Sequence[Delivery], record: Sent, ends_s: float) -> tuple[Delivery, ...]:
    results: dict[str, Delivery] = {}
    threads = []
    for name in dict.fromkeys(one.channel for one in due):
        of_channel = [one for one in due if one.channel == name]
        work = (calendar.channels[name], of_channel, record, ends_s, results)
        threads.append(threading.Thread(target=_send_all, args=work, name=f"notify {name}", daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends_s - time.monotonic()))
    return tuple(sorted(dict(results).values(), key=_rank))


def _send_all(
    channel: Channel, due: Sequence[Delivery], record: Sent, ends_s: float, results: dict[str, Delivery]
) -> None:
    """Send the deliveries of one channel one after the other, each again as long as there is time."""
    left = list(due)
    while left and time.monotonic() < ends_s:
        one = left.pop(0)
        if (ended := _attempt(channel, one, record, results)) is None or ended.state != "pending":
            continue
        pause_s = (ended.next_ms - _now_ms(record)) / 1000
        if time.monotonic() + pause_s < ends_s:
            time.sleep(max(0.0, pause_s))
            left.insert(0, ended)


def _attempt(channel: Channel, one: Delivery, record: Sent, results: dict[str, Delivery]) -> Delivery | None:
    """Make one attempt and record it; None when another process makes it."""
    if (begun := _begun(one, record)) is None:
        return None
    results[one.key] = replace(begun, why="the channel has not responded yet")
    try:
        ended = begun.delivered(send(channel, begun))
    except NotDelivered as error:
        ended = begun.refused(str(error), _now_ms(record))
        logger.warning("Channel %s did not deliver %s: %s", channel.name, one.message.notice, error)
    results[one.key] = ended
    try:
        record.end(ended)
    except DrillError as error:
        logger.error("It could not be recorded what became of a notification: %s", error)
    return ended


def _begun(one: Delivery, record: Sent) -> Delivery | None:
    try:
        return record.begin(one)
    except DrillError as error:
        logger.error("A notification could not be recorded: %s", error)
        return one.begun(_local_ms()) if one.message.notice == _LOUDEST else None


def _rank(one: Delivery) -> tuple[int, int, str]:
    urgency = {notice: number for number, notice in enumerate(_FIRST)}
    return urgency.get(one.message.notice, len(_FIRST)), one.created_ms, one.key


def _now_ms(record: Sent) -> int:
    try:
        return record.now_ms()
    except DrillError:
        return _local_ms()


def _local_ms() -> int:
    return time.time_ns() // 1_000_000
