"""Safe reading of whole files of a run, which may be damaged, huge, or no regular files."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from chaosdrill.messages import NOTHING, Sentence, as_it_is, sentence

NOT_THERE = sentence("it is not there")
LARGEST_BYTES = 256 * 2**20  # a summary has about 50 kB: a larger file is not one
MOST_MEMORY = 4 * 2**30  # bytes that parsed JSON may take; a history of a day takes about 500 MB
_BECOMES = {b"{": 64, b"[": 64, b",": 32, b"\n": 48}  # bytes in memory of the value that the character begins or ends


def json_document(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one when it is missing, unreadable, or something else."""
    return read_object(path)[0]


def read_object(path: Path) -> tuple[dict[str, Any], Sentence]:
    """Return the JSON object in a file, and the reason if there is none, otherwise empty."""
    try:
        found = json.loads(read_json(path))
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return {}, NOT_THERE
        return {}, sentence("it cannot be read: {why}", why=_why(error))
    except (ValueError, RecursionError) as error:
        return {}, sentence("it is no JSON: {why}", why=as_it_is(error))
    if not isinstance(found, dict):
        return {}, sentence("it holds something else than a JSON object")
    return found, NOTHING


def read_regular(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """Return the content of a regular file.

    :param most: the largest accepted size in bytes.
    :raises OSError: when it cannot be read, is larger, or is not a regular file: reading a pipe would block.
    """
    with open_regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > most:
            raise OSError(f"it has {size:,} bytes, more than {most:,}")
        return file.read()


def read_json(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """Return the content of a JSON or JSON Lines file, if the parsed values fit into memory.

    A list of empty lists takes twenty times the memory of its text, and an archive of 3 MB may hold 600 MB of that.

    :param most: the largest accepted size in bytes.
    :raises OSError: as :func:`read_regular`, and when the values would take more than :data:`MOST_MEMORY`.
    """
    data = read_regular(path, most)
    if (becomes := len(data) + sum(data.count(one) * size for one, size in _BECOMES.items())) > MOST_MEMORY:
        raise OSError(f"its {len(data):,} bytes would become some {becomes:,} in memory, more than {MOST_MEMORY:,}")
    return data


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading.

    :raises OSError: when it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return open(descriptor, "rb")


def _why(error: OSError) -> Sentence:
    return as_it_is(error.strerror or str(error))
