"""The ``chaosdrill runs import`` command: import of archives of runs, and of journals of plain Chaos Toolkit."""

import json
from pathlib import Path

import click

from chaosdrill.cli.text import one_line, usage_error

JOURNAL = ".json"


@click.command("import")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="For machines: the id and the verdict of the run.")
def import_run(file: str, as_json: bool) -> None:
    """Take a run from elsewhere into the store: a journal, or an archive.

    \b
        chaosdrill runs import journal.json
        chaosdrill runs import 20260501T093000Z-failover-ab12.evidence.zip

    A journal (.json) of plain Chaos Toolkit, of any experiment, becomes a run: the journal as it was, without secrets,
    and a summary with what the steady state was before and after. Its verdict is chaosdrill's: Chaos Toolkit says
    "completed" also when an action or a rollback failed, or when an outage was over before the last check; its reasons
    say what it rests on. Nothing was measured, so there are no figures. The same journal is imported once.

    An archive (.zip) is what `chaosdrill runs export` made. Everything in it is looked at before anything is written,
    and compared with its manifest when it has one; `chaosdrill runs verify` says more about it. Pages in it are not
    opened as chaosdrill's: report.html is left out and made again from the run, and every other file that is not data,
    such as Locust's report, is kept as NAME.quarantined.txt, which is shown as text and which no command opens.

    Exit code: 0 when it is in the store; 2 when it was refused, with every reason, or is there already.
    """
    from chaosdrill.errors import BadInput
    from chaosdrill.paths import RUNS_VARIABLE, ensure_directory, runs_directory
    from chaosdrill.runs.archive.quarantine import quarantined
    from chaosdrill.runs.summaries import read_summary

    try:
        runs = ensure_directory(runs_directory(), RUNS_VARIABLE)
        name = _import(Path(file), runs)
    except BadInput as error:
        raise usage_error(error) from error
    except OSError as error:
        raise click.UsageError(one_line(f"{file} could not be imported: {error}")) from error
    summary = read_summary(runs / name)
    why = "" if _is_journal(file) else _make_report(runs / name)
    pages = quarantined(runs / name)
    if as_json:
        found = {"run": name, "verdict": summary.verdict or None, "reasons": list(summary.reasons)}
        click.echo(json.dumps({**found, "source": summary.source or None, "quarantined": pages}, indent=1))
    else:
        click.echo(one_line(f"{name}: {summary.verdict or 'no verdict'}: {'; '.join(summary.reasons)}"))
    for page in pages:
        click.echo(one_line(f"in quarantine, not to be opened as a page: {page}"), err=True)
    if why:
        click.echo(one_line(f"there is no report: {why}; make it with `chaosdrill report {name}`"), err=True)


def _is_journal(file: str) -> bool:
    return Path(file).suffix.lower() == JOURNAL


def _make_report(directory: Path) -> str:
    """Render the report of an imported run: the report in the archive is untrusted.

    :returns: why there is none; empty when there is one. A run without a report is imported nevertheless.
    """
    from chaosdrill.languages import language_from
    from chaosdrill.report.build import why_no_report, write_report
    from chaosdrill.time_zones import zone_from

    if why := why_no_report():
        return why
    try:
        write_report(directory, language_from(), zone=zone_from())
    except Exception as error:  # noqa: BLE001 - the run's content is untrusted, and it has already been imported
        return str(error) or type(error).__name__
    return ""


def _import(path: Path, runs: Path) -> str:
    if _is_journal(str(path)):
        from chaosdrill.runs.imports.importing import import_journal

        return import_journal(path, runs)
    from chaosdrill.runs.archive.archives import import_archive

    return import_archive(path).name
