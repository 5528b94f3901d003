"""Writes the files of an export, and touches no file of others."""

from collections.abc import Mapping
from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.exports.plan import MARK
from chaosdrill.history.whole_files import write_whole


def write_files(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the files of an export into a directory, which is made; those of an earlier export are replaced.

    :returns: the files of an earlier export that are no part of this one, such as those of a game day that was removed.
    :raises BadInput: when a file that was not written by an export is in the way; nothing is written then.
    :raises OSError: when a file cannot be written.
    """
    foreign = [path for name in files if (path := directory / name).exists() and not _is_ours(path)]
    if foreign:
        fix = "move it away, or name another directory (`--output`)"
        why = "the export would replace this file, which no export has written"
        raise BadInput([problem("export-file-not-ours", f"{path}: {why}: {fix}") for path in foreign])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(directory / name, text, private=False)
    return sorted(path for path in directory.iterdir() if path.name not in files and _is_ours(path))


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MARK.encode())) == MARK.encode()
