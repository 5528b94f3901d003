"""The ``chaosdrill runs export`` command: an archive of a run with everything that an auditor needs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.text import usage_error

if TYPE_CHECKING:
    from chaosdrill.runs.archive.exporting import Exported


@click.command()
@click.argument("run", default="", shell_complete=complete_run)
@click.option("--csv", "as_csv", is_flag=True, help="CSV files in a directory instead of an archive.")
@click.option("--evidence", is_flag=True, help="With a manifest: the hash of every file, operator, approver, verdict.")
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="With --evidence: the SSH key that signs the manifest (or its .pub, with ssh-agent).",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: RUN.zip (RUN-csv) here.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the archive, its digest, the manifest.")
def export(run: str, as_csv: bool, evidence: bool, key: Path | None, output: Path | None, as_json: bool) -> None:
    """Put a RUN into one archive, a zip; without RUN the newest.

    \b
        chaosdrill runs export 20260501T0930
        chaosdrill runs export --evidence 20260501T0930 --output audit/q2.zip
        chaosdrill runs export --evidence 20260501T0930 --sign ~/.ssh/id_ed25519
        chaosdrill runs export --csv 20260501T0930

    The archive has the whole run directory, with what AWS itself recorded of the drill (evidence). `chaosdrill runs
    import` takes it into another store; the same run makes the same archive, byte by byte.

    With --evidence it also has manifest.json: operator and approver, change ticket, versions, the verdict, when and by
    whom it was exported, and the SHA-256 of every file, chained to the last seal of the history; and README.txt, which
    says how to check it without chaosdrill. Write the digest that is printed into the change ticket: it is
    what a forged archive cannot have. With --sign the manifest is signed with an SSH key (manifest.json.sig), which
    `chaosdrill runs verify --signer` checks, and OpenSSH's own ssh-keygen -Y verify, too.

    With --csv it makes a directory of CSV files for spreadsheets: verdict, figures, phases, findings, events, beats,
    requests, ledger, and the synthetic writes that the drill left in the application's own ledger. The run is judged
    again for that; times are UTC.

    A run that did not end, or that is not whole, is exported, too, and the manifest says so.

    Exit code: 0 exported; 2 when there is no such run, it still goes on, or the file is there already.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.runs import find_run
    from chaosdrill.runs.archive.exporting import export as exported

    if as_csv and evidence:
        raise click.UsageError("--evidence needs the archive: leave out --csv")
    if key is not None and not evidence:
        raise click.UsageError("--sign signs the manifest of an archive: add --evidence")
    try:
        if as_csv:
            _write_csv(find_run(run), output, as_json)
            return
        made = exported(find_run(run), output, evidence, key)
    except BadInput as error:
        raise usage_error(error) from error
    if as_json:
        click.echo(json.dumps(_as_json(made), indent=1))
    else:
        _show(made)


def _write_csv(directory: Path, output: Path | None, as_json: bool) -> None:
    from chaosdrill.analysis.judgement import judge
    from chaosdrill.cli.text import one_line
    from chaosdrill.runs import read_run
    from chaosdrill.runs.csv_files import write_csv_files

    run = read_run(directory)
    written = write_csv_files(directory, output, run, judge(run))
    if as_json:
        click.echo(json.dumps({"run": directory.resolve().name, "files": [str(path) for path in written]}, indent=1))
    else:
        for path in written:
            click.echo(one_line(f"{path}: {path.stat().st_size:,} bytes"))


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
        "digest": f"{made.digest} (sha256 of manifest.json: write it into the change ticket)",
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
