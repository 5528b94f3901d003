"""The ``chaosdrill`` command line. A command's dependencies are imported when it runs, so that --help is fast."""

import errno
import sys

import click

from chaosdrill import __version__
from chaosdrill.cli.approve import approve
from chaosdrill.cli.compare import compare
from chaosdrill.cli.doctor import doctor
from chaosdrill.cli.gameday import gameday
from chaosdrill.cli.iam import iam
from chaosdrill.cli.init import init
from chaosdrill.cli.lab import lab
from chaosdrill.cli.preflight import preflight
from chaosdrill.cli.rehearse import rehearse
from chaosdrill.cli.report import report
from chaosdrill.cli.rescue import rescue
from chaosdrill.cli.runs import runs
from chaosdrill.cli.status import status
from chaosdrill.cli.stop import stop
from chaosdrill.cli.sweep import sweep
from chaosdrill.cli.text import with_codes
from chaosdrill.cli.topology import topology
from chaosdrill.cli.trend import trend
from chaosdrill.cli.watch import watch
from chaosdrill.errors import BadInput, DrillError, problem
from chaosdrill.terminal_text import keep_streams_writable

_NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chaosdrill")
def cli() -> None:
    """Rehearse a region failover and prove how it went.

    The drill itself is an experiment of Chaos Toolkit:

    \b
        chaos run experiments/failover.yaml

    It runs against the embedded lab unless told otherwise; the lab is started and ended by the drill.
    The commands here are for beginning (init), for describing a real system (topology), and for looking closer: at the
    machine (doctor), at the lab (lab), at who drills a system and what is owed (status, stop, approve, rescue), at what
    drills left behind (sweep, runs, compare, trend, report), and at drills that happen by a calendar (gameday).
    """


cli.add_command(approve)
cli.add_command(compare)
cli.add_command(doctor)
cli.add_command(gameday)
cli.add_command(iam)
cli.add_command(init)
cli.add_command(lab)
cli.add_command(preflight)
cli.add_command(rehearse)
cli.add_command(report)
cli.add_command(rescue)
cli.add_command(runs)
cli.add_command(status)
cli.add_command(stop)
cli.add_command(sweep)
cli.add_command(topology)
cli.add_command(trend)
cli.add_command(watch)


def main() -> None:
    """Run the ``chaosdrill`` command. Errors that a user can fix are shown with their code and without a traceback."""
    keep_streams_writable()
    try:
        cli(prog_name="chaosdrill")
    except DrillError as error:
        click.echo(f"chaosdrill: {with_codes(error)}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        fix = "make room, or name another place (CHAOSDRILL_HOME, CHAOSDRILL_RUNS, --output)"
        where = error.filename or "a file"
        why = problem("store-not-writable", f"{where} cannot be written ({error.strerror}): {fix}")
        click.echo(f"chaosdrill: {with_codes(BadInput([why]))}", err=True)
        sys.exit(1)
