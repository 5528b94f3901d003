"""Options that select runs, shared by all commands on several runs."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from chaosdrill.runs.entries import RunEntry

VERDICTS = ["passed", "failed", "invalid", "refused", "interrupted", "unjudged", "unreadable"]
Wanted = Callable[["RunEntry"], bool]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OPTIONS = (
    click.option(
        "--experiment", help="Of this experiment only: the name of its file without ending, such as failover."
    ),
    click.option("--target", type=click.Choice(["lab", "aws"]), help="On this target only."),
    click.option(
        "--verdict", type=click.Choice(VERDICTS), multiple=True, help="With this verdict; may be given several times."
    ),
    click.option("--tag", "tags", multiple=True, help="With this tag; given several times: with all of them."),
    click.option("--since", metavar="DAY", help="Begun on this day (UTC) or later, such as 2026-05-01."),
    click.option("--until", metavar="DAY", help="Begun on this day (UTC) or earlier."),
)
NAMES = ("experiment", "target", "verdict", "tags", "since", "until")


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filter options to a command; they are passed as keywords, which :func:`wanted_of` accepts."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wanted_of(
    experiment: str | None,
    target: str | None,
    verdict: Sequence[str],
    tags: Sequence[str],
    since: str | None,
    until: str | None,
) -> Wanted:
    """Return a function that decides whether a run is selected.

    :raises click.UsageError: when a day is invalid.
    """
    first, last = _day(since, "--since"), _day(until, "--until")

    def wanted(entry: "RunEntry") -> bool:
        return (
            experiment in (None, entry.experiment)
            and target in (None, entry.target)
            and (not verdict or entry.verdict in verdict)
            and set(tags) <= set(entry.tags)
            and (not first or entry.began[:10] >= first)
            and (not last or "" < entry.began[:10] <= last)
        )

    return wanted


def _day(text: str | None, option: str) -> str:
    """Return a day in the form of the runs' times, so that texts compare like days."""
    if text is None:
        return ""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return f"{datetime.strptime(text, '%Y-%m-%d').replace(tzinfo=UTC):%Y-%m-%d}"
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: write a day such as 2026-05-01") from error
