"""The ``chaosdrill gameday notify`` command group: tests of channels, and the delivery state of notifications."""

import sys
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.screen import Screen, say_json
from chaosdrill.cli.text import one_line, with_codes
from chaosdrill.errors import BadInput, CannotSee, DrillError

if TYPE_CHECKING:
    from chaosdrill.gamedays.calendar import Calendar, Channel
    from chaosdrill.gamedays.notifications import Delivery
    from chaosdrill.time_zones import Zone


@click.group()
def notify() -> None:
    """Try the channels of notifications, and see what became of notifications.

    \b
        chaosdrill gameday notify test
        chaosdrill gameday notify test pager
        chaosdrill gameday notify list
    """


@notify.command()
@click.argument("channels", metavar="[CHANNEL]...", nargs=-1)
@calendar_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def test(channels: tuple[str, ...], calendar_file: str | None, as_json: bool) -> None:
    """Send a test message over channels of the calendar; without names, over all of them.

    Run it where the ticks run, with their environment: it holds the secrets of the channels.

    Exit code: 0 when every channel accepted the message; 1 when one did not, with the reason; 2 when the calendar is
    wrong or has no such channel.
    """
    calendar = read_calendar(calendar_file)
    _require_channels(calendar, channels)
    found = [_tested(one) for name, one in calendar.channels.items() if name in channels or not channels]
    if as_json:
        say_json({"channels": found})
    else:
        for one in found:
            _show(one)
    sys.exit(0 if all(one["delivered"] for one in found) else 1)


@notify.command("list")
@calendar_option
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_notifications(calendar_file: str | None, zone: "Zone", as_json: bool) -> None:
    """List the notifications of this month and the last one: to which channel, and whether it accepted them.

    Exit code: 0; 2 when the calendar is wrong, or the ledger cannot be read.
    """
    from chaosdrill.gamedays.notifications import Deliveries
    from chaosdrill.gamedays.stores import store_of

    calendar = read_calendar(calendar_file)
    try:
        recent = Deliveries(store_of(calendar)).recent()
    except (BadInput, CannotSee) as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(2)
    found = [one for one in recent if one.message.game_day in calendar.game_days]
    if as_json:
        say_json({"notifications": [_as_json(one) for one in found]})
    elif found:
        headings = ("recorded", "game day", "notice", "channel", "state", "attempts", "why")
        Screen().table(headings, [_row(one, zone) for one in found])
    else:
        click.echo("no notification was recorded in this month and the last one")


def _require_channels(calendar: "Calendar", names: tuple[str, ...]) -> None:
    """Refuse names of channels that the calendar does not have.

    :raises click.UsageError: naming each.
    """
    from chaosdrill.topology.consistency import suggestion

    known = list(calendar.channels)
    if not known:
        raise click.UsageError(f"{calendar.file} has no channels: add some under `channels:`")
    if unknown := [one for one in names if one not in known]:
        lines = (one_line(f"there is no channel {one!r}: {suggestion(one, known, '')}") for one in unknown)
        raise click.UsageError("\n".join(lines))


def _tested(channel: "Channel") -> dict[str, Any]:
    """Send a test message over a channel."""
    import time

    from chaosdrill.gamedays.notifications import Delivery
    from chaosdrill.gamedays.notifications.channels import send
    from chaosdrill.gamedays.notifications.delivery import NotDelivered
    from chaosdrill.gamedays.notifications.texts import message_of_test

    at_ns = time.time_ns()
    message = message_of_test(channel.name, channel.language)
    known = {"channel": channel.name, "kind": channel.kind}
    try:
        note = send(channel, Delivery(f"test {at_ns} > {channel.name}", channel.name, message, at_ns // 1_000_000))
    except NotDelivered as error:
        return {**known, "delivered": False, "why": str(error)}
    return {**known, "delivered": True, "why": note}


def _show(one: dict[str, Any]) -> None:
    name = f"channel {one['channel']} ({one['kind']})"
    if one["delivered"]:
        note = f", but: {one['why']}" if one["why"] else ""
        click.echo(one_line(f"{name} accepted the message{note}"))
        return
    error = DrillError(f"{name} did not accept the message: {one['why']}", code="notification-not-delivered")
    click.echo(f"chaosdrill: {with_codes(error)}", err=True)


def _row(one: "Delivery", zone: "Zone") -> list[str]:
    from chaosdrill.time_zones import both

    when = both(one.created_ms * 1_000_000, zone)
    message = one.message
    return [when, message.game_day, message.notice, one.channel, one.state, str(one.attempts), one_line(one.why)]


def _as_json(one: "Delivery") -> dict[str, Any]:
    from chaosdrill.coordination.items import iso

    message = one.message
    return {
        "recorded": iso(one.created_ms),
        "game_day": message.game_day,
        "planned": iso(message.planned_ms),
        "notice": message.notice,
        "channel": one.channel,
        "state": one.state,
        "attempts": one.attempts,
        "why": one.why,
    }
