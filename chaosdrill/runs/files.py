"""The files of a run directory."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_of(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield each file in a run directory, as its relative path and its size in bytes, sorted by directory.

    Links are not followed; unreadable entries are left out.
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
    """Return the total size of the files in bytes."""
    return sum(size for _, size in files_of(directory))


def in_words(size: float) -> str:
    """Return a size in bytes for display, such as ``3.79 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
