"""``chaosdrill runs export``: one archive of a run, with all that an auditor needs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from chaosdrill.runs.archive.exporting import Exported


@click.command()
@click.argument("run", default="")
@click.option("--evidence", is_flag=True, help="With a manifest: the hash of every file, operator, approver, verdict.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: RUN.zip in this directory.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the archive, its digest, the manifest.")
def export(run: str, evidence: bool, output: Path | None, as_json: bool) -> None:
    """Put a RUN into one archive, a zip; without RUN the newest.

    \b
        chaosdrill runs export 20260501T0930
        chaosdrill runs export --evidence 20260501T0930 --output audit/q2.zip

    The archive has the whole run directory, with what AWS itself recorded of the drill (evidence). `chaosdrill runs
    import` takes it into another store; the same run makes the same archive, byte by byte.

    With --evidence it also has manifest.json: operator and approver, change ticket, versions, the verdict, when and by
    whom it was exported, and the SHA-256 of every file, chained to the last seal of the history; and README.txt, which
    says how to check it without chaosdrill. Write the digest that is printed into the change ticket, or sign it: it is
    what a forged archive cannot have.

    A run that did not end, or that is not whole, is exported, too, and the manifest says so.

    Exit code: 0 exported; 2 when there is no such run, it still goes on, or the file is there already.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run
    from chaosdrill.runs.archive.exporting import export as exported

    try:
        made = exported(find_run(run), output, evidence)
    except BadInput as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(made), indent=1))
    else:
        _show(made)


def _as_json(made: "Exported") -> dict[str, object]:
    return {
        "archive": str(made.archive),
        "bytes": made.archive.stat().st_size,
        "digest": made.digest or None,
        "manifest": made.manifest or None,
        "left_out": [vars(one) for one in made.left_out],
    }


def _show(made: "Exported") -> None:
    from chaosdrill.cli.text import one_line

    click.echo(f"{one_line(str(made.archive))}: {made.archive.stat().st_size:,} bytes")
    for one in made.left_out:
        click.echo(one_line(one.in_words()), err=True)
    if not made.digest:
        return
    said = made.manifest
    rows = {
        "digest": f"{made.digest} (sha256 of manifest.json: write it into the change ticket, or sign it)",
        "verdict": said["verdict"] or "none",
        "operator": said["operator"] or "unknown",
        "approver": f"{said['approver'] or 'none'}: {said['duties']}",
        "change ticket": said["change_ticket"] or "none",
        "intact": "yes" if said["intact"] else "no, and the manifest says so:",
    }
    for name, text in rows.items():
        click.echo(f"{name + ':':<15} {one_line(str(text))}")
    for problem in said["problems"]:
        click.echo(one_line(f"  {problem['what']}: {problem['where']}: {problem['text']}"))
