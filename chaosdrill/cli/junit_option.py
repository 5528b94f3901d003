"""The ``--junit FILE`` option: the result for CI systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.errors import BadInput

if TYPE_CHECKING:
    from chaosdrill.runs.junit import Case

junit_option = click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the result as JUnit XML, which CI systems show.",
)


def prepare(path: Path | None) -> None:
    """Remove the result of an earlier run, so that it is not mistaken for this run's if the command fails.

    :raises BadInput: ``junit-unwritable``.
    """
    from chaosdrill.runs.junit import problems_of_file

    if path is None:
        return
    if problems := problems_of_file(path, "--junit"):
        raise BadInput(problems)
    path.unlink(missing_ok=True)


def write(path: Path | None, suite: str, cases: "Sequence[Case]", properties: Mapping[str, str]) -> None:
    """Write the result if the option is given."""
    from chaosdrill.runs.junit import junit_xml, write_junit

    if path is not None:
        write_junit(path, junit_xml(suite, cases, properties))
