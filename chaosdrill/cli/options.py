"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from chaosdrill.cli.text import usage_error
from chaosdrill.errors import BadInput
from chaosdrill.time_zones import Zone, zone_from


def time_zone_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--tz`` to a command: the zone whose time is shown beside UTC, passed as ``zone``."""
    return click.option(
        "--tz",
        "zone",
        metavar="ZONE",
        callback=_zone,
        help="Zone of the times beside UTC, such as Asia/Tokyo. Default: CHAOSDRILL_TZ, else this machine's zone.",
    )(command)


def _zone(context: click.Context, parameter: click.Parameter, name: str | None) -> Zone:
    try:
        return zone_from(name)
    except BadInput as error:
        raise usage_error(error) from error
