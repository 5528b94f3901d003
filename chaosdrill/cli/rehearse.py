"""The ``chaosdrill rehearse`` command: what a drill would do, read from the system without changing it."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from chaosdrill.rehearsal.rehearse import Rehearsal, RehearsedStep


def variables_of(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """Parse the values of ``--var`` as ``chaos run`` does."""
    from chaoslib import convert_vars

    try:
        return dict(convert_vars(list(given)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


NO_PREVIEW = "none: a preview needs the FIS template, which --make-template or the first drill creates"
NOTHING_MADE = "--make-template: nothing was made: no fault of FIS in it lacks its template"
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("experiment", type=EXISTING)
@click.option("--topology", type=EXISTING, help="The topology file.  [default: CHAOSDRILL_TOPOLOGY]")
@click.option("--var", multiple=True, callback=variables_of, help="As for `chaos run`: name:type=value.")
@click.option("--make-template", is_flag=True, help="Make the FIS templates that are missing, for their preview.")
@click.option("--confirm", metavar="ACCOUNT", help="You have read it: type the account number.")
@click.option("--export", type=click.Path(path_type=Path), help="Write AWS's responses, redacted, to a new file.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def rehearse(
    experiment: Path,
    topology: Path | None,
    var: dict[str, Any],
    make_template: bool,
    confirm: str | None,
    export: Path | None,
    as_json: bool,
) -> None:
    """Show what a drill with EXPERIMENT would find, do, break and cost.

    Everything is read; nothing is changed. Of FIS a target preview is asked for, in which every action is skipped, if
    the experiment template is there. The first drill makes it; --make-template does so now, exactly as the
    drill would, in the accounts that the topology allows. That breaks nothing: a template does nothing by itself. It
    stays, the drill uses it, and the output says how to remove it. The role that FIS takes on must be there already:
    `chaosdrill iam EXPERIMENT --make-roles` makes it.

    Before the first drill on a real system the summary must be confirmed, and again when its topology has changed:

    \b
        chaosdrill rehearse experiments/failover.yaml --topology topology.yaml
        chaosdrill rehearse experiments/failover.yaml --topology topology.yaml --confirm 123456789012

    Exit code: 0 when a drill could start now, 1 when something is in the way.
    """
    from chaosdrill.aws import recorder
    from chaosdrill.rehearsal import bundle
    from chaosdrill.rehearsal.rehearse import rehearse as look

    with recorder.recording() if export else nullcontext() as answers:
        seen = look(experiment, var, topology, make_template)
    if export and answers:
        bundle.export(export, seen.topology, answers.calls)
    click.echo(json.dumps(_plain(seen), indent=1, ensure_ascii=False)) if as_json else _show(seen)
    if make_template and not any(preview.made or preview.trouble for preview in seen.previews):
        click.echo(NOTHING_MADE, err=as_json)
    if export:
        click.echo(f"AWS's responses, redacted: {export}", err=as_json)
    if confirm is not None:
        _confirm(seen, experiment, confirm)
    sys.exit(1 if seen.in_the_way else 0)


def _confirm(seen: "Rehearsal", experiment: Path, account: str) -> None:
    from chaosdrill.aws import system_of
    from chaosdrill.controls import confirmation
    from chaosdrill.coordination import coordination_of
    from chaosdrill.errors import Refused

    if seen.in_the_way:
        raise Refused("not confirmed: remove the obstacles first")
    if account != seen.account:
        raise Refused(f"not confirmed: {account} was typed, and the account is {seen.account}")
    coordination = None
    if seen.topology.coordination is not None:
        coordination = coordination_of(system_of({"topology": str(seen.topology.path)}))
    kept = confirmation.confirm(seen.topology.path, str(experiment), account, coordination)
    click.echo(f"confirmed: {kept}{f' and {coordination}' if coordination else ''}", err=True)


def _plain(seen: "Rehearsal") -> dict[str, Any]:
    from chaosdrill.history import to_json_safe

    raw = {**asdict(seen), "topology": str(seen.topology.path), "usd": round(seen.usd, 2)}
    found: dict[str, Any] = to_json_safe({**raw, "in_the_way": seen.in_the_way})
    return found


def _show(seen: "Rehearsal") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{seen.title}[/bold]\non account {seen.account}, topology {seen.topology.path}\n")
    there = Table("part", "what", "seen", title="What is there", title_justify="left")
    for one in seen.seen:
        there.add_row(one.part, one.what, one.value or f"[red]{one.trouble}[/red]")
    there.add_row("region state", f"must be {seen.expected or 'any'}", seen.state)
    console.print(there)
    console.print("\nWhat would happen")
    for planned in seen.steps:
        _show_step(console, planned)
    if seen.left_to:
        console.print(f"  at the end: undos that are still owed are handed over to {seen.left_to}")
    console.print()
    for preview in seen.previews:
        hit = ", ".join(preview.targets) or preview.trouble or NO_PREVIEW
        console.print(f"FIS preview of {preview.step}, template {preview.template}: {hit}")
        for made, removed_by in preview.made.items():
            console.print(f"      made: {made}; it breaks nothing, and the drill uses it", soft_wrap=True)
            console.print(f"      to remove it: {removed_by}", soft_wrap=True)
    console.print(
        f"AWS would charge about {seen.usd:.2f} US dollars for the steps (list prices; running parts not counted)."
    )
    for problem in seen.in_the_way:
        console.print(f"[red]in the way:[/red] {problem}")
    if not seen.in_the_way:
        console.print("[green]Nothing is in the way.[/green] To allow drills on this topology: --confirm ACCOUNT")


def _show_step(console: "Console", planned: "RehearsedStep") -> None:
    from rich.padding import Padding

    step, effect = planned.step, planned.effect
    if step.kind == "probe":
        console.print(f"  {step.phase}: {step.name}: only reads")
        return
    console.print(
        f"  {step.phase}: [bold]{step.name}[/bold]: {planned.trouble or (effect.touches if effect else step.does)}"
    )
    if step.approval:
        console.print(Padding(f"waits for a person's approval: {step.approval}", (0, 0, 0, 6)))
    if effect and effect.breaks:
        console.print(Padding(f"breaks: {effect.breaks}", (0, 0, 0, 6)))
    if effect and step.phase != "rollbacks":
        console.print(Padding(f"undone by: {', '.join(step.undone_by) or 'nothing'}", (0, 0, 0, 6)))
