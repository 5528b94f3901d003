"""The ``chaosdrill gameday export`` commands ``kubernetes``, ``eventbridge`` and ``systemd``: schedules for other
engines.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.gameday_calendar import calendar_option, now_ms, read_calendar, require_game_days
from chaosdrill.cli.text import one_line, usage_error
from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.gamedays.exports.plan import Export

_KEPT = ("CHAOSDRILL_RUNS", "CHAOSDRILL_TZ", "AWS_PROFILE")  # variables of this shell copied into systemd units


def _engine_options(engine: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the shared arguments and options of the exports to engines: game days, calendar, output, and JSON."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        output = click.option(
            "--output",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIRECTORY",
            default=Path(engine),
            show_default=True,
            help="Where the files are written.",
        )
        as_json = click.option("--json", "as_json", is_flag=True, help="For machines.")
        return click.argument("game_days", nargs=-1)(calendar_option(output(as_json(command))))

    return add


@click.command()
@_engine_options("kubernetes")
@click.option("--image", required=True, help="The image that the Containerfile makes, such as registry/chaosdrill:1.")
@click.option("--namespace", default="default", show_default=True, help="Namespace of everything.")
def kubernetes(
    game_days: tuple[str, ...], calendar_file: str | None, output: Path, image: str, namespace: str, as_json: bool
) -> None:
    """Write manifests for Kubernetes: a CronJob for each of GAME_DAYS, or for all.

    \b
        chaosdrill gameday export kubernetes --image registry.example/chaosdrill:1 --namespace drills
        kubectl apply --filename kubernetes/gamedays.yaml

    Beside them are a CronJob that rescues each system whose drill died, one that ticks (notices and missed runs), and
    the Containerfile of the image. Secrets are read from the Secret `chaosdrill`, whose keys are the environment
    variables that the calendar and the experiments name. docs/gameday-exports.md has the steps.

    A game day that Kubernetes would start at other instants than `gameday next` shows, within ten years, is refused.

    Exit code: 0; 2 when the calendar is wrong, or a game day cannot be exported: nothing is written then.
    """
    from chaosdrill.gamedays.exports import kubernetes as engine

    _export(
        "kubernetes",
        game_days,
        calendar_file,
        output,
        lambda planned: engine.render_files(planned, image, namespace),
        as_json,
    )


@click.command()
@_engine_options("eventbridge")
@click.option("--region", help="Of the scheduler: no drilled one.  [default: the region of the ledger's table]")
def eventbridge(
    game_days: tuple[str, ...], calendar_file: str | None, output: Path, region: str | None, as_json: bool
) -> None:
    """Write a CloudFormation template: EventBridge Scheduler starts a task of ECS for each of GAME_DAYS, or for all.

    \b
        chaosdrill gameday export eventbridge
        aws cloudformation deploy --region us-west-2 --template-file eventbridge/gamedays.yaml …

    It has the cluster, the task, a file system for the runs, the roles of scheduler and task, and a queue with an alarm
    for what could not be started; nothing is tried again. Beside the game days are a schedule that rescues each system
    whose drill died, one that ticks (notices and missed runs), and the Containerfile of the image.
    docs/gameday-exports.md has the steps.

    A game day that EventBridge would start at other instants than `gameday next` shows, within ten years, is refused.

    Exit code: 0; 2 when the calendar is wrong, or a game day cannot be exported: nothing is written then.
    """
    from chaosdrill.gamedays.exports import eventbridge as engine

    def render(planned: "Export") -> Mapping[str, str]:
        return engine.render_files(planned, engine.scheduler_region(planned, region))

    _export("eventbridge", game_days, calendar_file, output, render, as_json)


@click.command()
@_engine_options("systemd")
@click.option("--user", help="Whom the services run as.  [default: you]")
def systemd(
    game_days: tuple[str, ...], calendar_file: str | None, output: Path, user: str | None, as_json: bool
) -> None:
    """Write units for systemd: a timer and a service for each of GAME_DAYS, or for all. On the machine that runs them.

    \b
        chaosdrill gameday export systemd
        sudo cp systemd/chaosdrill-* /etc/systemd/system/ && sudo systemctl daemon-reload
        sudo systemctl enable --now $(cd systemd && ls *.timer)

    Beside them are units that rescue each system whose drill died, and one that ticks (notices and missed runs).
    `chaosdrill gameday install` is simpler: one timer, whose ticks start the drills.

    The units keep this shell's CHAOSDRILL_RUNS, CHAOSDRILL_TZ and AWS_PROFILE. Secrets are read from the file
    /etc/chaosdrill/secrets.env, as the environment variables that the calendar and the experiments name.

    A game day that systemd would start at other instants than `gameday next` shows, within ten years, is refused.

    Exit code: 0; 2 when the calendar is wrong, or a game day cannot be exported: nothing is written then.
    """
    from chaosdrill.coordination.holders import user_name
    from chaosdrill.gamedays.exports import systemd as engine
    from chaosdrill.paths import home

    def render(planned: "Export") -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return engine.render_files(planned, _command(), user or user_name(), {"CHAOSDRILL_HOME": str(home()), **kept})

    _export("systemd", game_days, calendar_file, output, render, as_json)


def _command() -> Path:
    """Return the path of the command that units start.

    :raises BadInput: when chaosdrill runs from a source tree that is not installed.
    """
    import shutil
    import sys

    beside = Path(sys.executable).parent / "chaosdrill"
    found = str(beside) if beside.is_file() else shutil.which("chaosdrill")
    if found is None:
        raise BadInput([problem("bad-input", "the command `chaosdrill` is not installed: install it, or set PATH")])
    return Path(found).absolute()


def _export(
    engine: str,
    game_days: tuple[str, ...],
    calendar_file: str | None,
    output: Path,
    render: Callable[["Export"], Mapping[str, str]],
    as_json: bool,
) -> None:
    """Check that an engine can run the game days, write its files, and list them.

    :raises click.UsageError: when a game day cannot be exported.
    """
    from chaosdrill.gamedays.exports.plan import plan_export
    from chaosdrill.gamedays.exports.writing import write_files

    calendar = read_calendar(calendar_file)
    require_game_days(calendar, game_days)
    try:
        planned = plan_export(calendar, game_days, engine, now_ms())
        written = render(planned)
        left = write_files(output, written)
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        _say_json(engine, output, planned, list(written), left)
    else:
        _say(output, planned, list(written), left)


def _say_json(engine: str, output: Path, planned: "Export", written: list[str], left: list[Path]) -> None:
    from chaosdrill.cli.screen import say_json

    days = [
        {"id": one.game_day.id, "zone": str(one.game_day.schedule.zone), "expressions": one.expressions}
        for one in planned.game_days
    ]
    files = [str(output / name) for name in written]
    secrets, left_over = list(planned.secrets), [str(path) for path in left]
    say_json({"engine": engine, "files": files, "game_days": days, "secrets": secrets, "left_over": left_over})


def _say(output: Path, planned: "Export", written: list[str], left: list[Path]) -> None:
    for one in planned.game_days:
        for expression in one.expressions:
            click.echo(one_line(f"{one.game_day.id}: {expression} ({one.game_day.schedule.zone})"))
    for name in written:
        click.echo(one_line(str(output / name)))
    if planned.secrets:
        click.echo(f"secrets that it refers to: {', '.join(planned.secrets)}")
    for path in left:
        why = "of an earlier export, and no part of this one: disable what it started, and remove it"
        click.echo(one_line(f"{path}: {why}"), err=True)
