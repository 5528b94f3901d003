"""The ``chaosdrill report`` command: a run as an HTML page."""

import json
from pathlib import Path

import click

from chaosdrill.cli.completion import complete_run
from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.text import one_line, usage_error, with_codes
from chaosdrill.time_zones import Zone

LANGUAGES = ("en", "ja")


@click.command()
@click.argument("run", default="", shell_complete=complete_run)
@click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    envvar="CHAOSDRILL_LANG",
    default="en",
    help="Of the page.  [default: CHAOSDRILL_LANG, else en]",
)
@click.option(
    "--output",
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Default: report.html in the run; with --pdf RUN.pdf in this directory.",
)
@click.option("--pdf", is_flag=True, help="Print it to a PDF, with the Chromium or Chrome of this machine.")
@time_zone_option
@click.option("--json", "as_json", is_flag=True, help="For machines: the run, the file, its size.")
def report(run: str, language: str, output: Path | None, pdf: bool, zone: Zone, as_json: bool) -> None:
    """Write the report of a stored RUN (default: the newest): one page that can be mailed, printed, and read offline.

    \b
        chaosdrill report                                     the newest run
        chaosdrill report 20260501T0930                       the run whose id begins like that
        chaosdrill report 20260501T0930 --lang ja -o ja.html  in Japanese
        chaosdrill report 20260501T0930 --pdf -o run.pdf      as a PDF
        chaosdrill report --tz Asia/Tokyo                     with Tokyo's time beside UTC
        chaosdrill report /backup/some-run -o some-run.html   a run directory, wherever it is

    Every drill leaves its report in its run; this makes it again, or in another language, or of a run whose drill was
    killed: it is shown as far as it goes. The run is judged anew, from nothing but what it left behind; neither a
    network nor the target is needed, and the page asks no other computer for anything. A PDF is light, with everything
    unfolded.

    Exit code: 0 when it was written, whatever the verdict; 2 when there is no such run, or nothing of one to show.
    """
    from chaosdrill.errors import BadInput, problem
    from chaosdrill.report.build import report_of, write_report
    from chaosdrill.report.embedding import NoReport
    from chaosdrill.report.pdf import write_pdf
    from chaosdrill.runs import find_run

    try:
        directory = find_run(run)
        if pdf:
            path = write_pdf(report_of(directory, language, zone), output or Path(f"{directory.resolve().name}.pdf"))
        else:
            path = write_report(directory, language, output, zone)
    except (BadInput, NoReport) as error:
        raise click.UsageError(with_codes(error)) from error
    except OSError as error:
        why = error.strerror or str(error)
        text = f"the report cannot be written: {error.filename or output}: {why}; name another file with --output"
        raise usage_error(BadInput([problem("output-not-writable", text)])) from error
    if as_json:
        told = {"run": directory.resolve().name, "report": str(path), "language": language}
        click.echo(json.dumps({**told, "bytes": path.stat().st_size}))
    else:
        click.echo(one_line(str(path)))
