"""``chaosdrill lab break …``: make the lab misbehave on purpose, to see that drills notice."""

from typing import Any

import click

FAULTS = "/chaosdrill/faults"


@click.group("break", invoke_without_command=True)
@click.option("--clear", is_flag=True, help="Mend everything that was broken.")
@click.pass_context
def break_lab(context: click.Context, clear: bool) -> None:
    """Break the lab on purpose, mend it, or (without anything) show what is broken.

    \b
        chaosdrill lab break aws dynamodb throttling --region ap-northeast-1 --calls 5
        chaosdrill lab break
        chaosdrill lab break --clear
    """
    if context.invoked_subcommand is not None:
        if clear:
            raise click.UsageError("--clear mends, and a command breaks: give one of them")
        return
    from chaosdrill.lab import endpoint_page

    if clear:
        removed = endpoint_page.ask_running("DELETE", FAULTS)["removed"]
        click.echo(f"mended: {removed} fault(s) removed" if removed else "nothing was broken")
        return
    broken = endpoint_page.ask_running("GET", FAULTS)["faults"]
    for fault in broken:
        click.echo(_described(fault))
    if not broken:
        click.echo("nothing is broken")


@break_lab.command()
@click.argument("service")
@click.argument(
    "kind",
    type=click.Choice(["throttling", "server-error", "timeout", "reset", "lost-answer", "slow", "expired"]),
    metavar="KIND",
)
@click.option("--region", help="Calls to this region only.  [default: every region]")
@click.option("--operation", help="Calls of this operation only, such as UpdateItem.  [default: every operation]")
@click.option("--calls", type=click.IntRange(1), help="The next so many calls.  [default: until --clear]")
@click.option("--seconds", type=click.FloatRange(0, 3600), help="For timeout and slow, real seconds.  [default: 30]")
@click.option(
    "--everyone", is_flag=True, help="Meet the calls of the lab's own parts, too: state machines, application."
)
def aws(
    service: str,
    kind: str,
    region: str | None,
    operation: str | None,
    calls: int | None,
    seconds: float | None,
    everyone: bool,
) -> None:
    """Let calls to an AWS SERVICE go wrong: dynamodb, stepfunctions, rds, fis, ssm, ec2, route53-recovery-cluster, ...

    KIND is one of:

    \b
        throttling    the service's own throttling error
        server-error  HTTP 500
        expired       the credentials have expired
        timeout       accepted, and never answered until --seconds have passed
        reset         the connection is reset, nothing was done
        lost-answer   what was asked for is done, then the connection is reset
        slow          answered --seconds late

    \b
        chaosdrill lab break aws dynamodb throttling --calls 5
        chaosdrill lab break aws stepfunctions timeout --operation StartExecution --seconds 60
        chaosdrill lab break aws rds server-error --region ap-northeast-3 --everyone
    """
    from chaosdrill.lab import endpoint_page

    given = {"region": region, "operation": operation, "calls": calls, "seconds": seconds}
    fault: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    asked = {"service": service, "kind": kind, "everyone": everyone, **fault}
    click.echo(_described(endpoint_page.ask_running("PUT", FAULTS, asked)))


def _described(fault: dict[str, Any]) -> str:
    where = f"{fault['operation'] or 'every operation'} in {fault['region'] or 'every region'}"
    late = f" ({fault['seconds']:g} s)" if fault["kind"] in ("timeout", "slow") else ""
    who = "everyone" if fault["everyone"] else "callers from outside the lab"
    left = {None: "until it is mended", 0: "over"}.get(fault["calls"], f"the next {fault['calls']} call(s)")
    return f"{fault['service']}: {fault['kind']}{late} for {who}, {where}, {left}; met {fault['hits']} call(s) so far"
