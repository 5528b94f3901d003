"""The files of a run directory."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_of(directory: Path) -> Iterator[tuple[str, int]]:
    """:returns: each file in a run directory, by its path from there, and its bytes, in order of the alphabet; links
    are not followed, what cannot be seen is left out.
    """
    for place, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                yield os.path.relpath(path, directory), os.lstat(path).st_size
            except OSError:
                continue


def size_of(directory: Path) -> int:
    """:returns: bytes of all of them."""
    return sum(size for _, size in files_of(directory))


def in_words(size: float) -> str:
    """:returns: bytes for people, such as ``3.79 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
