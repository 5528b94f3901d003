"""Conversion of raw records to Parquet: a fraction of the size, and a hundred times faster to read."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.history.whole_files import draft_of, write_whole
from chaosdrill.records.rows import BEATS, SCHEMAS, RecordSchema
from chaosdrill.runs.records.tables import LOOKUPS, Records, metadata, parquet_path, raw_paths, read_raw

COMPRESSION = "zstd"


def store(directory: Path) -> Iterator[dict[str, Any]]:
    """Store the raw beats and requests of a run as Parquet.

    The raw files of a kind are removed when the caller takes the next item, after it has recorded the event: stored
    files are read only if the history vouches for them.

    :param directory: the run directory.
    :yields: for each stored file the values of the event ``records-stored``: ``{file, sha256, rows, of}``, where ``of``
        has the sha256 of each raw file in it.
    :raises OSError: when a file cannot be written; its raw files are still there then.
    """
    for schema in SCHEMAS:
        if paths := raw_paths(directory, schema):
            yield from _store(directory, schema, paths)


def _store(directory: Path, schema: RecordSchema, paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    records = read_raw(paths, schema)
    yield _write(parquet_path(directory, schema), records, schema.time)
    if schema is BEATS:
        yield _write_lookups(directory, records)
    for path in paths:
        path.unlink()


def _write(path: Path, records: Records, time: str) -> dict[str, Any]:
    from pyarrow import parquet

    table = records.table.sort_by(time).replace_schema_metadata(metadata(records))  # readers do not sort
    with draft_of(path) as draft:
        parquet.write_table(table, draft, compression=COMPRESSION)
        draft.seek(0)
        sha256 = hashlib.file_digest(draft, "sha256").hexdigest()
    of = {file.name: file.sha256 for file in records.files}
    return {"file": path.name, "sha256": sha256, "rows": len(records.table), "of": of}


def _write_lookups(directory: Path, records: Records) -> dict[str, Any]:
    text = "".join(json.dumps(row) + "\n" for row in records.lookups)
    path = parquet_path(directory, BEATS).with_name(LOOKUPS)
    write_whole(path, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return {"file": path.name, "sha256": sha256, "rows": len(records.lookups), "of": {}}
