"""The ``chaosdrill runs prune`` command: removal of runs that are no longer needed."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.cli.runs_filter import filters, wanted_of
from chaosdrill.cli.text import one_line, usage_error

if TYPE_CHECKING:
    from pathlib import Path

    from chaosdrill.runs.pruning import Choice

DONE, NOT_DONE = 0, 1  # exit codes
Sizes = dict[str, int]


@click.command()
@filters
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="The newest N of each experiment stay.")
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Only what began longer ago than so many days."
)
@click.option("--tagged", is_flag=True, help="Also runs that have tags.")
@click.option("--yes", is_flag=True, help="Without being asked.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: the removed runs, and the kept ones with the reason."
)
def prune(keep: int | None, older_than: float | None, tagged: bool, yes: bool, as_json: bool, **filtered: Any) -> None:
    """Remove runs. What would be removed is shown first, with sizes, and is removed when you say so.

    \b
        chaosdrill runs prune --keep 20                             of each experiment
        chaosdrill runs prune --older-than 400 --target lab
        chaosdrill runs prune --verdict refused --verdict interrupted --yes

    All options must hold at once; `--keep` counts among the runs that the others mean. Runs with tags stay unless
    `--tagged` is said, and are not counted by `--keep`. Never removed are a run whose drill still goes on, a symbolic
    link, and anything that is not a run. A removal that is interrupted leaves no half run: the next one ends it.

    \b
    Exit code:
        0   they were removed, or there was nothing to remove
        1   you said no, or one could not be removed
        2   nothing says which runs are meant, a filter cannot be understood, or (not on a terminal) --yes is missing
    """
    from chaosdrill.errors import BadInput, problem
    from chaosdrill.paths import runs_directory
    from chaosdrill.runs.files import size_of
    from chaosdrill.runs.pruning import choose

    if keep is None and older_than is None and not any(filtered.values()):
        why = "this would remove every run: say which, such as --keep 20 or --older-than 400"
        raise usage_error(BadInput([problem("options-invalid", why)]))
    wanted = wanted_of(**filtered)
    runs = runs_directory()
    try:
        choice = choose(runs, wanted, keep or 0, older_than, tagged)
    except BadInput as error:
        raise usage_error(error) from error
    sizes = {entry.run: size_of(runs / entry.run) for entry in choice.remove}
    if not as_json:
        _show(choice, sizes)
    if sizes and not yes and not _confirmed(len(sizes), as_json):
        click.echo("nothing was removed", err=True)
        sys.exit(NOT_DONE)
    failed = _remove(runs, list(sizes))
    if as_json:
        _print_json(choice, sizes, failed)
    elif sizes:
        click.echo(f"removed: {len(sizes) - len(failed)} runs")
    for run, why in failed.items():
        click.echo(one_line(f"{run} could not be removed: {why}"), err=True)
    sys.exit(NOT_DONE if failed else DONE)


def _show(choice: "Choice", sizes: Sizes) -> None:
    from chaosdrill.runs.files import in_words

    for entry in choice.remove:
        click.echo(one_line(f"{entry.run}  {entry.verdict}  {in_words(sizes[entry.run])}"))
    for run, why in choice.spared:
        click.echo(one_line(f"{run} stays: {why}"), err=True)
    many = f"{len(sizes)} runs, {in_words(sum(sizes.values()))}" if sizes else "there is nothing to remove"
    click.echo(many)


def _confirmed(many: int, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        raise click.UsageError(f"{many} runs would be removed: add --yes where no person can confirm it")
    return click.confirm(f"Remove {many} runs?", default=False)


def _remove(runs: "Path", names: Sequence[str]) -> dict[str, str]:
    """Remove runs, each after another check whether it may be removed.

    :returns: the runs that could not be removed, with the reason.
    """
    from chaosdrill.runs.pruning import remove, remove_leftovers, why_not

    failed = {}
    for name in names:
        try:
            if why := why_not(runs / name):
                failed[name] = why
            else:
                remove(runs / name)
        except OSError as error:
            failed[name] = error.strerror or str(error)
    try:
        remove_leftovers(runs)
    except OSError as error:
        failed["what an earlier removal has left"] = error.strerror or str(error)
    return failed


def _print_json(choice: "Choice", sizes: Sizes, failed: dict[str, str]) -> None:
    removed = [{"run": run, "bytes": size} for run, size in sizes.items() if run not in failed]
    spared = [{"run": run, "why": why} for run, why in choice.spared]
    not_removed = [{"run": run, "why": why} for run, why in failed.items()]
    click.echo(json.dumps({"removed": removed, "spared": spared, "failed": not_removed}, indent=1))
