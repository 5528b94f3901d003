"""The ``chaosdrill watch`` command: live progress of a drill in another terminal."""

import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.text import usage_error
from chaosdrill.time_zones import Zone

if TYPE_CHECKING:
    from chaosdrill.watch import Following
    from chaosdrill.watch.output import Show

EVERY_S = 0.5
REPORT_WITHIN_S = 10.0


@click.command()
@click.argument("run", default="", shell_complete=complete_run)
@click.option(
    "--json", "as_json", is_flag=True, help="For machines: one JSON object a line for each thing that happens."
)
@time_zone_option
def watch(run: str, as_json: bool, zone: Zone) -> None:
    """Watch a drill as it happens, in a terminal beside it.

    \b
        chaosdrill watch                     the drill that goes on, or the next one that begins
        chaosdrill watch 20260501T0930       a run by the beginning of its id, or by its path
        chaosdrill watch --tz Asia/Tokyo     with Tokyo's time beside UTC
        chaosdrill watch --json | jq .words

    Phase and step under way, region state, Locust's errors in the last 5 s, every second of the heartbeat with the
    letter and colour of the region that served (x: a beat was not served in time), for how long clients have been
    without service, the last events, and in the end the verdict and where the report is. Beats come in portions of a
    few seconds: how old the newest is stands beside them.

    It reads what the drill writes into its run directory, and nothing else; the drill does not notice, and goes on when
    this is left with Ctrl-C. Where there is no terminal it writes a line for each change.

    Exit code: 0 when the drill has closed, whatever its verdict (chaosdrill runs verdict), or with Ctrl-C; 1 when it
    died; 2 when there is no such run.
    """
    from chaosdrill.errors import BadInput

    try:
        following = _followed(run, zone)
        _follow(following, as_json)
    except BadInput as error:
        raise usage_error(error) from error
    except KeyboardInterrupt:
        sys.exit(0)  # the drill continues
    except BrokenPipeError:
        sys.stderr.close()  # the reader has closed the pipe
        sys.exit(0)
    sys.exit(0 if _end(following, as_json) else 1)


def _followed(run: str, zone: Zone) -> "Following":
    from chaosdrill.runs import find_run
    from chaosdrill.watch import Following, wait_for_run

    return Following(find_run(run) if run else wait_for_run(lambda text: click.echo(text, err=True)), zone)


def _follow(following: "Following", as_json: bool) -> None:
    with _shown(as_json) as show:
        while True:
            show(following.progress, following.look())
            if following.finished:
                return
            time.sleep(EVERY_S)


def _shown(as_json: bool) -> "AbstractContextManager[Show]":
    from chaosdrill.watch import output

    if as_json:
        return nullcontext(output.as_json)
    return output.screen() if _is_terminal() else nullcontext(output.plain)


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _end(following: "Following", as_json: bool) -> bool:
    """Print the end of the drill.

    :returns: whether it closed.
    """
    from chaosdrill.terminal_text import one_line
    from chaosdrill.watch import output
    from chaosdrill.watch.progress import CLOSED

    closed = following.progress.state == CLOSED
    if as_json:
        return closed
    if _is_terminal():
        output.leave_standing(following.progress)
    report = _report(following.directory) if closed else None
    click.echo(f"run directory: {one_line(str(following.directory))}")
    if report is not None:
        click.echo(f"report: {one_line(str(report))}")
    elif not closed:
        click.echo("what it proved all the same: chaosdrill runs judge", err=True)
    return closed


def _report(directory: Path) -> Path | None:
    """Return the path of the report, which is written last; None when there will be none."""
    from chaosdrill.history.run_directory import REPORT
    from chaosdrill.runs.summaries import read_summary

    give_up = time.monotonic() + REPORT_WITHIN_S
    while not (directory / REPORT).is_file():
        if not read_summary(directory).said.get("report") or time.monotonic() > give_up:
            return None
        time.sleep(EVERY_S)
    return directory / REPORT
