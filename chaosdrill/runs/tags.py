"""Tags of runs, given by users. They are stored apart from the sealed history and change nothing in it."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from chaosdrill.errors import BadInput, problem
from chaosdrill.history.whole_files import locked, write_whole
from chaosdrill.runs.documents import json_document

TAGS = "tags.json"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def tags_of(directory: Path) -> tuple[str, ...]:
    """Return the tags of a run in alphabetical order."""
    tags = json_document(directory / TAGS).get("tags")
    return tuple(sorted({tag for tag in tags if isinstance(tag, str)})) if isinstance(tags, list) else ()


def tag_run(directory: Path, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Add tags to a run and remove others; adding an existing tag or removing a missing one is no error.

    :returns: its tags afterwards.
    :raises BadInput: for each tag that contains other characters than letters, digits, ``.``, ``_`` and ``-``.
    :raises OSError: when the tags cannot be written; the run has its earlier tags then.
    """
    added, removed = set(add), set(remove)
    if wrong := sorted(tag for tag in added if not _TAG.fullmatch(tag)):
        rule = "write letters, digits, `.`, `_` and `-`, at most 64, a letter or digit first"
        raise BadInput([problem("tag-invalid", f"tag {tag!r}: {rule}") for tag in wrong])
    with locked(directory):
        kept = sorted((set(tags_of(directory)) | added) - removed)
        write_whole(directory / TAGS, json.dumps({"tags": kept}) + "\n")
    return tuple(kept)
