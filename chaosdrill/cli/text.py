"""Terminal output of untrusted text: runs and experiments may come from any source."""

import click

from chaosdrill.errors import BadInput, DrillError
from chaosdrill.terminal_text import one_line

__all__ = ["one_line", "usage_error", "with_codes"]


def usage_error(error: BadInput) -> click.UsageError:
    """Return the usage error for invalid input, with each problem on its own line with its code."""
    return click.UsageError(with_codes(error))


def with_codes(error: DrillError) -> str:
    """Return an error for a terminal, with its code in brackets; docs/codes.md explains the codes."""
    texts = error.problems if isinstance(error, BadInput) else [str(error)]
    codes = error.codes if isinstance(error, BadInput) else [", ".join(error.codes)]
    shown = ("\n".join(map(one_line, text.splitlines())) for text in texts)
    return "\n".join(f"{text} [{code}]" for text, code in zip(shown, codes, strict=True))
