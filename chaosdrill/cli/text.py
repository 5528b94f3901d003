"""Text of others on a terminal: runs and experiments may come from anywhere."""

import click

from chaosdrill.errors import BadInput
from chaosdrill.plain_text import one_line

__all__ = ["one_line", "usage_error"]


def usage_error(error: BadInput) -> click.UsageError:
    """:returns: what a command raises when its input cannot be used: every problem in a line of its own."""
    return click.UsageError("\n".join(map(one_line, error.problems)))
