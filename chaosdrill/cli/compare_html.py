"""The ``--html`` option: a comparison as an HTML page."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.options import time_zone_option
from chaosdrill.cli.text import one_line, usage_error, with_codes
from chaosdrill.time_zones import Zone

if TYPE_CHECKING:
    from chaosdrill.analysis.comparison import Comparison
    from chaosdrill.analysis.groups import Groups
    from chaosdrill.analysis.many_runs import ManyRuns

LANGUAGES = ("en", "ja")
_FILE = click.Path(dir_okay=False, path_type=Path)


def html_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--html``, ``--lang`` and ``--tz`` to a command, passed as ``html``, ``language`` and ``zone``."""
    language = click.option(
        "--lang",
        "language",
        type=click.Choice(LANGUAGES),
        envvar="CHAOSDRILL_LANG",
        default="en",
        help="Of that page.  [default: CHAOSDRILL_LANG, else en]",
    )
    return click.option("--html", type=_FILE, metavar="FILE", help="Write one page that stands alone.")(
        language(time_zone_option(command))
    )


def write_page(
    path: Path,
    language: str,
    zone: Zone,
    runs: "ManyRuns",
    two: "Comparison | None" = None,
    groups: "Groups | None" = None,
) -> None:
    """Write the page of a comparison, and print its path.

    :param runs: the runs to compare, side by side.
    :raises click.UsageError: when it cannot be rendered or written.
    """
    from chaosdrill.analysis.trend import trend
    from chaosdrill.report.comparison_page import ComparisonContents, comparison_page

    write_html(path, lambda: comparison_page(ComparisonContents(runs, trend(runs.runs), two, groups), language, zone))


def write_html(path: Path, make: Callable[[], str]) -> None:
    """Write a page, and print its path.

    :param make: renders the page.
    :raises click.UsageError: when it cannot be rendered or written.
    """
    from chaosdrill.errors import BadInput, problem
    from chaosdrill.history.whole_files import draft_of
    from chaosdrill.report.embedding import NoReport

    try:
        whole = make()
        with draft_of(path, private=False) as draft:
            draft.write(whole.encode("utf-8", "backslashreplace"))
    except NoReport as error:
        raise click.UsageError(with_codes(error)) from error
    except OSError as error:
        why = error.strerror or str(error)
        text = f"--html {path}: {why}: name a file that can be written"
        raise usage_error(BadInput([problem("output-not-writable", text)])) from error
    click.echo(one_line(str(path)))
