"""Text of others on a terminal: runs and experiments may come from anywhere."""

from chaosdrill.plain_text import one_line

__all__ = ["one_line"]
