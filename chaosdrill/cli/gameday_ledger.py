"""Shared code of the game day commands that use the ledger."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.text import usage_error, with_codes
from chaosdrill.errors import BadInput, CannotSee, Refused, problem

if TYPE_CHECKING:
    from chaosdrill.gamedays.events import Entry

REFUSED, UNREADABLE = 1, 2  # exit codes


@contextmanager
def ledger_needed() -> Iterator[None]:
    """End the command with exit code 2 when its input is invalid or the ledger is unreadable, and with 1 when it is
    refused.
    """
    try:
        yield
    except BadInput as error:
        raise usage_error(error) from error
    except (CannotSee, Refused) as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(REFUSED if isinstance(error, Refused) else UNREADABLE)


def planned_ms_of(text: str) -> int:
    """Parse a planned instant.

    :param text: ISO 8601 with a zone, such as ``2027-01-10T17:00Z`` or ``2027-01-11T02:00+09:00``.
    :returns: milliseconds since 1970.
    :raises BadInput: when it is not an instant with a zone.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        why = f"{text!r} is no instant: write it with its zone, such as 2027-01-10T17:00Z"
        raise BadInput([problem("argument-invalid", why)])
    return int(instant.timestamp() * 1000)


def utc(instant_ms: int) -> str:
    """Return an instant as text, in UTC."""
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"


def entry_json(entry: "Entry") -> dict[str, Any]:
    """Return an entry of the ledger as JSON values."""
    from dataclasses import asdict

    values = {name: value for name, value in asdict(entry).items() if name != "occurrence"}
    planned = {"game_day": entry.occurrence.game_day, "planned": utc(entry.occurrence.planned_ms)}
    times = {name.removesuffix("_ms"): utc(values.pop(name)) or "" for name in ("at_ms", "began_ms")}
    return {"occurrence": entry.occurrence.key, **planned, **values, **times}
