"""Text of others on a terminal: runs and experiments may come from anywhere."""

import click

from chaosdrill.errors import BadInput, DrillError
from chaosdrill.plain_text import one_line

__all__ = ["one_line", "usage_error", "with_codes"]


def usage_error(error: BadInput) -> click.UsageError:
    """:returns: what a command raises when its input cannot be used: every problem on its own line, with its code."""
    return click.UsageError(with_codes(error))


def with_codes(error: DrillError) -> str:
    """:returns: an error as people read it on a terminal, with its code in brackets: docs/codes.md explains it."""
    texts = error.problems if isinstance(error, BadInput) else [str(error)]
    codes = error.codes if isinstance(error, BadInput) else [", ".join(error.codes)]
    shown = ("\n".join(map(one_line, text.splitlines())) for text in texts)
    return "\n".join(f"{text} [{code}]" for text, code in zip(shown, codes, strict=True))
