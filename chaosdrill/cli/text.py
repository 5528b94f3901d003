"""Text of others on a terminal: runs and experiments may come from anywhere."""

import click

from chaosdrill.errors import BadInput


def one_line(text: str) -> str:
    """:returns: it with every character that is not printable written out: a terminal obeys some of them."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def usage_error(error: BadInput) -> click.UsageError:
    """:returns: what a command raises when its input cannot be used: every problem in a line of its own."""
    return click.UsageError("\n".join(map(one_line, error.problems)))
