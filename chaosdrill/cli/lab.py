"""The ``chaosdrill lab`` command group: manual control of the embedded lab."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.lab_break import break_lab
from chaosdrill.cli.lab_policy import lab_policy
from chaosdrill.errors import DrillError, LabError
from chaosdrill.lab.strictness import LENIENT

if TYPE_CHECKING:
    from chaosdrill.lab.host import LeasedLab


@click.group()
def lab() -> None:
    """The embedded lab: the reference system of real parts on this machine.

    A drill starts it and ends it by itself. By hand:

    \b
        chaosdrill lab up --detach          start it, and let it stay
        eval "$(chaosdrill lab env)"        then the runbook's own commands work:
        aws stepfunctions list-state-machines --region ap-northeast-3 --profile chaosdrill-lab
        chaosdrill lab exec -- dig api.example.com
        chaosdrill lab down
    """


@lab.command()
@click.option("--scale", type=float, help="Multiplies the reference's waits; 1 = its real times.  [default: 0.2]")
@click.option("--detach", is_flag=True, help="Return when it is ready; it stays until `chaosdrill lab down`.")
@click.option("--locustfile", default="", help="Locust script for the load generator.")
@click.option(
    "--break",
    "broken",
    multiple=True,
    metavar="NAME[:OPTION=VALUE]",
    help="Break the lab on purpose before it is ready: see `chaosdrill lab break --list`. May be repeated.",
)
@click.option(
    "--lenient",
    multiple=True,
    metavar="NAME",
    help="Let it be more forgiving than AWS in this: see docs/lab.md, Strict and lenient. May be repeated.",
)
@click.option(
    "--resync",
    type=float,
    metavar="SECONDS",
    help="How long the database's old primary is rebuilt after an unplanned failover, before scaling.  [default: 600]",
)
def up(
    scale: float | None,
    detach: bool,
    locustfile: str,
    broken: tuple[str, ...],
    lenient: tuple[str, ...],
    resync: float | None,
) -> None:
    """Start the lab, or attach to the one that runs. Without --detach it ends with this command (Ctrl-C)."""
    from chaosdrill.lab import host, plan, running_lab

    if scale is None:
        runs = running_lab.running_plan()
        scale = runs.scale if runs else plan.DEFAULT_SCALE
    leased = host.attach_or_start(
        scale, locustfile, detach, click.echo, broken=broken, holder=_holder(), lenient=lenient, resync_s=resync
    )
    seen = running_lab.status()
    _show(seen)
    if detach:
        leased.connection.close()
        return
    click.echo(_what_ctrl_c_does(seen))
    _hold(leased)


def _holder() -> str:
    return f"`chaosdrill lab up` (process {os.getpid()})"


def _what_ctrl_c_does(seen: dict[str, Any]) -> str:
    if seen.get("detached"):
        return "Ctrl-C ends this command; the lab stays until `chaosdrill lab down`."
    if seen.get("leases", 1) > 1:
        return "Ctrl-C ends this command; the lab ends with the last of those who use it."
    return "Ctrl-C ends it."


def _hold(leased: "LeasedLab") -> None:
    try:
        leased.connection.wait_until_closed()
        click.echo("the lab has ended")
    except KeyboardInterrupt:
        click.echo("ending the lease")
        leased.close()


@lab.command()
@click.option("--force", is_flag=True, help="Also while a drill uses it; the drill then fails.")
def down(force: bool) -> None:
    """End the lab and wait until nothing of it is left.

    While a drill or `chaosdrill lab up` uses it, this is refused and names them; --force ends it all the same.
    Exit code: 0 when it has ended or none ran, 1 when it was refused.
    """
    from chaosdrill.lab import host

    click.echo("the lab has ended" if host.down(force) else "no lab runs")


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(as_json: bool) -> None:
    """Show the lab's parts, how long it took to become ready, and its memory.

    Exit code: 0 when a lab runs and every part is healthy, 1 when not.
    """
    from chaosdrill.lab import running_lab

    seen = running_lab.status()
    if as_json:
        click.echo(json.dumps(seen, indent=1))
    else:
        _show(seen)
    sys.exit(0 if seen["running"] and seen["ready"] else 1)


def _show(seen: dict[str, Any]) -> None:
    if not seen["running"]:
        click.echo("no lab runs: start one with `chaosdrill lab up`")
        return
    ready = "not ready" if seen["ready_s"] is None else f"ready after {seen['ready_s']:.1f} s"
    stays = "stays until `chaosdrill lab down`" if seen["detached"] else f"ends with its leases ({seen['leases']})"
    used = f", used by {', '.join(seen['holders'])}" if seen.get("holders") else ""
    click.echo(f"lab: scale {seen['scale']:g}, {ready}, {seen['memory_mb']:.0f} MB (PSS), {stays}{used}")
    for name, part in seen["parts"].items():
        took = "" if part["seconds"] is None else f"  healthy after {part['seconds']:.1f} s"
        click.echo(f"  {name:<20}{'ok' if part['healthy'] else part['trouble']}{took}")
    for one in seen["broken"]:
        if one["in_force"]:
            click.echo(f"broken on purpose: {one['text']}")
    for name in seen["lenient"]:
        click.echo(f"lenient, {name}: {LENIENT[name]}")
    ports = seen["ports"]
    click.echo(
        f"on 127.0.0.1: AWS endpoint http://127.0.0.1:{ports['aws']}, Locust http://127.0.0.1:{ports['load']}, "
        f"DNS port {ports['dns']}; clients resolve by `chaosdrill lab exec -- dig api.example.com`"
    )
    click.echo(f"directory: {seen['directory']}")
    if sys.stdout.isatty():  # the one-time URL must not be logged
        _show_page_access(ports["load"])


def _show_page_access(port: int) -> None:
    from chaosdrill.client.locust_rest import LoadGenerator

    with contextlib.suppress(DrillError):  # Locust may be restarting
        if words := LoadGenerator(f"http://127.0.0.1:{port}").page_access():
            click.echo(words)


@lab.command()
def env() -> None:
    """Print shell exports that lead the AWS CLI, boto3 and chaosdrill to the lab: eval "$(chaosdrill lab env)"."""
    from chaosdrill.lab import client_shell

    for line in client_shell.shell_exports():
        click.echo(line)


@lab.command()
@click.argument("part", required=False)
@click.option("--previous", is_flag=True, help="Of the lab before this one.")
def logs(part: str | None, previous: bool) -> None:
    """Show the end of every part's log, or the whole log of PART."""
    from chaosdrill.lab import running_lab
    from chaosdrill.lab.processes import tail

    directory = running_lab.directory() / "logs" / ("previous" if previous else "")
    found = sorted(directory.glob("*.log"))
    if part:
        chosen = [log for log in found if log.stem == part]
        if not chosen:
            raise LabError(f"no log of {part!r}: there are {', '.join(log.stem for log in found) or 'none'}")
        click.echo(chosen[0].read_text(errors="replace"), nl=False)
        return
    for log in found:
        click.echo(f"== {log.stem}")
        click.echo(tail(log, 10))


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(command: Sequence[str]) -> None:
    """Run COMMAND on the lab's client host (the bastion): chaosdrill lab exec -- dig api.example.com"""
    _enter(list(command))


@lab.command()
def shell() -> None:
    """Open a shell on the lab's client host (the bastion)."""
    click.echo("on the lab's client host; `exit` leaves it", err=True)
    _enter([os.environ.get("SHELL", "/bin/sh") if Path(os.environ.get("SHELL", "")).exists() else "/bin/sh"])


def _enter(command: list[str]) -> None:
    from chaosdrill.lab import client_shell

    program, environment = client_shell.client_command(command)
    sys.stdout.flush()
    os.execvpe(program[0], program, environment)


@lab.command()
@click.argument("seconds", type=click.FloatRange(0, 3600), required=False)
def lag(seconds: float | None) -> None:
    """Show the replication lag of the main table, or set it to SECONDS (real seconds, not scaled)."""
    from chaosdrill.lab import control_socket, running_lab

    arguments = {} if seconds is None else {"seconds": seconds}
    answer = control_socket.call(running_lab.directory() / running_lab.SOCKET, "main_table.lag", **arguments)
    click.echo(f"main table: {answer['lag_s']:g} s behind")


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--region", default="", help="Whose stores.  [default: the region whose database takes writes]")
def truth(as_json: bool, region: str) -> None:
    """Show what the databases themselves say: every transaction, its status, and how often it was settled.

    Nothing is changed. What clients were told, and what a drill has found out, can be compared with it by id.
    """
    from chaosdrill.lab import control_socket, running_lab

    found = control_socket.call(running_lab.directory() / running_lab.SOCKET, "truth", region=region)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"in {found['region']}; writers: {', '.join(found['writers']) or 'none'}")
    for identifier, facts in found["transactions"].items():
        status = facts["status"] or "not in the main table"
        click.echo(
            f"{identifier} {facts['account']} {facts['kind']} {facts['quantity']}: {status}, {facts['settled']}x"
        )


lab.add_command(break_lab)
lab.add_command(lab_policy)
