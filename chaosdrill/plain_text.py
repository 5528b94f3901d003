"""Text of others on a terminal: runs and experiments may come from anywhere."""


def one_line(text: str) -> str:
    """:returns: it with every character that is not printable written out: a terminal obeys some of them."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
