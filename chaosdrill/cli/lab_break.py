"""The ``chaosdrill lab break`` commands: deliberate misbehaviour of the lab, which drills must detect."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from chaosdrill.lab.misbehaviours.model import Break

FAULTS = "/chaosdrill/faults"


class Breaks(click.Group):
    """The command group with the commands defined here, and one for each of the lab's breaks."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        from chaosdrill.lab.misbehaviours import all_breaks

        return [*super().list_commands(context), *all_breaks()]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command of a name."""
        from chaosdrill.lab.misbehaviours import all_breaks

        found = super().get_command(context, name)
        return found or (_command(all_breaks()[name]) if name in all_breaks() else None)


@click.group("break", cls=Breaks, invoke_without_command=True)
@click.option("--clear", is_flag=True, help="Repair everything that was broken, as far as possible.")
@click.option("--list", "show_all", is_flag=True, help="Show everything that can be broken.")
@click.pass_context
def break_lab(context: click.Context, clear: bool, show_all: bool) -> None:
    """Break the lab on purpose, mend it, or (without anything) show what is broken.

    \b
        chaosdrill lab break --list
        chaosdrill lab break health-check-lies
        chaosdrill lab break stop-flag-ignored --region standby
        chaosdrill lab break aws dynamodb throttling --region ap-northeast-1 --calls 5
        chaosdrill lab break
        chaosdrill lab break --clear
    """
    if context.invoked_subcommand is not None:
        if clear or show_all:
            raise click.UsageError("--clear repairs, a command breaks: give only one of them")
    elif show_all:
        _show_all()
    elif clear:
        _mend()
    else:
        _show_broken()


def _show_all() -> None:
    from chaosdrill.lab.misbehaviours import all_breaks

    for one in all_breaks().values():
        click.echo(f"{one.name:<42}{one.says}")
    click.echo(f"{'aws SERVICE KIND':<42}calls to an AWS service go wrong: `chaosdrill lab break aws --help`")


def _mend() -> None:
    from chaosdrill.lab import endpoint_page

    mended = _ask("breaks.clear")
    for one in mended:
        left = f", but {one['not_mended']}" if one["not_mended"] else ""
        click.echo(f"repaired: {one['text']}{left}")
    removed = endpoint_page.ask_running("DELETE", FAULTS)["removed"]
    if removed:
        click.echo(f"repaired: {removed} fault(s) removed")
    if not mended and not removed:
        click.echo("nothing was broken")


def _show_broken() -> None:
    from chaosdrill.lab import endpoint_page

    broken = [f"{one['text']}: {one['says']}" for one in _ask("breaks") if one["in_force"]]
    broken += [_described(fault) for fault in endpoint_page.ask_running("GET", FAULTS)["faults"]]
    for line in broken or ["nothing is broken"]:
        click.echo(line)


def _ask(op: str, **arguments: Any) -> Any:
    from chaosdrill.lab import control_socket, in_force, running_lab

    return control_socket.call(running_lab.directory() / running_lab.SOCKET, op, in_force.BREAKS_WITHIN_S, **arguments)


def _command(one: "Break") -> click.Command:
    def begin(**options: Any) -> None:
        said = _ask("break", name=one.name, options=checked(one.name, options))["said"]
        click.echo(f"broken on purpose: {one.name}" + (f"\n{said}" if said else ""))

    def checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
        from chaosdrill.errors import BadInput
        from chaosdrill.lab.misbehaviours import options_of

        problems: list[str] = []
        read = options_of(name, options, problems)
        if problems:
            raise BadInput(problems)
        return read

    parameters: list[click.Parameter] = [
        click.Option(
            [f"--{option.name}"],
            default=option.default,
            help=option.help,
            show_default=True,
            type=click.Choice(option.choices) if option.choices else type(option.default),
        )
        for option in one.options
    ]
    text = f"{one.says[:1].upper()}{one.says[1:]}.\n\nHow: {one.means}."
    return click.Command(one.name, callback=begin, params=parameters, help=text, short_help=one.says)


@break_lab.command()
@click.argument("service")
@click.argument(
    "kind",
    type=click.Choice(["throttling", "server-error", "timeout", "reset", "lost-answer", "slow", "expired", "ignored"]),
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
        ignored       answered as if it had been done, and not done (dynamodb only)

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
    left = {None: "until it is repaired", 0: "over"}.get(fault["calls"], f"the next {fault['calls']} call(s)")
    return f"{fault['service']}: {fault['kind']}{late} for {who}, {where}, {left}; met {fault['hits']} call(s) so far"
