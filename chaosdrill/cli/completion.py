"""Shell completion of run IDs from the store."""

from typing import Any

import click


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Return the IDs of the stored runs that begin with ``incomplete``, newest first."""
    from click.shell_completion import CompletionItem

    from chaosdrill.errors import BadInput
    from chaosdrill.paths import runs_directory
    from chaosdrill.runs.lookup import names_of_runs

    try:
        names = sorted(names_of_runs(runs_directory()), reverse=True)
    except BadInput:
        return []  # a shell shows no errors while a word is completed
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
