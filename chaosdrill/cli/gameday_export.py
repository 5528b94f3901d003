"""The ``chaosdrill gameday export`` command group: the calendar in the formats of other programs."""

import click

from chaosdrill.cli.gameday_export_engines import eventbridge, kubernetes, systemd
from chaosdrill.cli.gameday_export_ics import ics


@click.group("export")
def export() -> None:
    """Write the game days for other programs: calendars of people, and engines that start drills."""


export.add_command(eventbridge)
export.add_command(ics)
export.add_command(kubernetes)
export.add_command(systemd)
