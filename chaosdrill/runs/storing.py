"""Raw records as Parquet: a fraction of the size, and read a hundred times as fast."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from chaosdrill.history.run_directory import write_whole
from chaosdrill.runs.shapes import BEATS, SHAPES, Shape
from chaosdrill.runs.tables import LOOKUPS, Records, metadata, parquet_path, raw_paths, read_raw

COMPRESSION = "zstd"


def store(directory: Path) -> list[dict[str, Any]]:
    """Store the raw beats and requests of a run as Parquet, and remove the raw files once that has succeeded.

    :param directory: the run directory.
    :returns: for each file that was stored the values of the event ``records-stored``: ``{file, sha256, rows, of}``,
        ``of`` being the sha256 of each raw file that is in it.
    :raises OSError: when it cannot be written; then the raw files are still there.
    """
    return [told for shape in SHAPES for told in _store(directory, shape)]


def _store(directory: Path, shape: Shape) -> list[dict[str, Any]]:
    paths = raw_paths(directory, shape)
    if not paths:
        return []
    records = read_raw(paths, shape)
    told = [_write(parquet_path(directory, shape), records, shape.time)]
    if shape is BEATS:
        told.append(_write_lookups(directory, records))
    for path in paths:
        path.unlink()
    return told


def _write(path: Path, records: Records, time: str) -> dict[str, Any]:
    from pyarrow import parquet

    draft = path.with_name(path.name + ".part")
    table = records.table.sort_by(time).replace_schema_metadata(metadata(records))  # it is read without being sorted
    parquet.write_table(table, draft, compression=COMPRESSION)
    with open(draft, "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    draft.replace(path)
    of = {file.name: file.sha256 for file in records.files}
    return {"file": path.name, "sha256": sha256, "rows": len(records.table), "of": of}


def _write_lookups(directory: Path, records: Records) -> dict[str, Any]:
    text = "".join(json.dumps(row) + "\n" for row in records.lookups)
    path = parquet_path(directory, BEATS).with_name(LOOKUPS)
    write_whole(path, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return {"file": path.name, "sha256": sha256, "rows": len(records.lookups), "of": {}}
