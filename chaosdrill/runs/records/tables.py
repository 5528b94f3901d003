"""The records of a run as one table, from raw files or from Parquet."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosdrill.messages import Sentence
from chaosdrill.records.rows import BEATS, TEXT, RecordSchema
from chaosdrill.runs.documents import read_json
from chaosdrill.runs.jsonl import values
from chaosdrill.runs.records.pages import unpacked_bytes
from chaosdrill.runs.records.parsing import Raw, parse

if TYPE_CHECKING:
    import numpy
    import pyarrow
    from pyarrow import parquet

RECORDS, LOOKUPS, LEDGER = "records", "lookups.jsonl", "ledger.jsonl"
# a row takes about 10 bytes in the file, at least 1 of them for its time, and about 60 in memory
SMALL_ROWS, SMALL_BYTES, DENSEST = 1_000_000, 64 * 2**20, 50
MOST_COLUMNS, MOST_PARTS, MOST_HEADER = 100, 1_000_000, 64 * 2**20
HEADERS, FILES = b"chaosdrill", b"chaosdrill.files"


class ForeignRecords(ValueError):
    """A file of stored records that chaosdrill has not written, or that is larger than its records can be."""


@dataclass(frozen=True)
class RawFileInfo:
    """The metadata of one raw file; times by its writer's clock, see :class:`parsing.Raw`."""

    name: str
    sha256: str
    header: dict[str, Any]
    why_not: Sentence
    rows: int
    watermark_ns: int | None
    ended_ns: int | None
    told: Any
    silences: tuple[tuple[int, int], ...]
    bad: int
    torn: bool

    @property
    def source(self) -> str:
        """The name of its writer."""
        return str(self.header.get("source") or self.name)


@dataclass(frozen=True)
class Records:
    """All records of one kind of a run.

    :param table: the rows; texts are dictionary columns.
    :param files: the raw files that the rows come from.
    :param stored: the name and sha256 of the Parquet file that they were read from; None for raw records.
    """

    table: "pyarrow.Table"
    files: tuple[RawFileInfo, ...]
    lookups: tuple[list[Any], ...] = ()
    stored: tuple[str, str] | None = None

    def integers(self, column: str) -> "numpy.ndarray[Any, Any]":
        """Return a column of numbers."""
        found: numpy.ndarray[Any, Any] = self.table[column].to_numpy()
        return found

    def texts(self, column: str) -> "tuple[numpy.ndarray[Any, Any], tuple[str, ...]]":
        """Return a column of texts: for each row its index into the list of texts, and that list."""
        import numpy

        chunks = self.table[column].combine_chunks()
        chunks = chunks.chunk(0) if hasattr(chunks, "num_chunks") and chunks.num_chunks else chunks
        if not len(self.table):
            return numpy.zeros(0, numpy.int16), ()
        return chunks.indices.to_numpy(), tuple(chunks.dictionary.to_pylist())


def raw_paths(directory: Path, schema: RecordSchema) -> list[Path]:
    """Return the raw files of that kind in a run directory."""
    pattern = "beats.jsonl" if schema is BEATS else "requests-*.jsonl"
    return sorted((directory / RECORDS).glob(pattern))


def parquet_path(directory: Path, schema: RecordSchema) -> Path:
    """Return the path of the Parquet file of records of that kind."""
    return directory / RECORDS / f"{schema.kind}.parquet"


def read_records(directory: Path, schema: RecordSchema, vouched: Mapping[str, str]) -> Records | None:
    """Return the records of that kind; None when a run has none, or none that its history vouches for.

    :param vouched: the sha256 of each stored file by name. Other files are not read: one flipped bit in a Parquet file
        can make its reader allocate more memory than the machine has, which kills the process.
    :raises OSError: when they cannot be read.
    :raises ForeignRecords: when the stored file is not in chaosdrill's format.
    """
    if paths := raw_paths(directory, schema):
        return read_raw(paths, schema)
    stored = parquet_path(directory, schema)
    if not stored.is_file():
        return None
    sha256 = sha256_of(stored)
    return _read_stored(stored, schema, sha256) if vouched.get(stored.name) == sha256 else None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_raw(paths: Sequence[Path], schema: RecordSchema) -> Records:
    """Return the records in raw files."""
    import pyarrow

    files, tables, lookups = [], [], []
    for path in paths:
        with open(path, "rb") as stream:
            raw = parse(stream, schema)
        found = [_named(table, raw, schema) for table in raw.tables]
        files.append(_file(path, raw, found))
        tables += found
        lookups += raw.lookups
    whole = pyarrow.concat_tables([arrow_schema(schema).empty_table(), *tables]).unify_dictionaries().combine_chunks()
    return Records(whole, tuple(files), tuple(lookups))


def arrow_schema(schema: RecordSchema) -> "pyarrow.Schema":
    """Return the schema of stored records."""
    import pyarrow

    texts = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = {name: texts if kind == TEXT else pyarrow.type_for_alias(kind) for name, kind in schema.stored.items()}
    return pyarrow.schema(types.items())


def _named(table: "pyarrow.Table", raw: Raw, schema: RecordSchema) -> "pyarrow.Table":
    """Add the source's name, and replace numbers of operations by their names."""
    import numpy
    import pyarrow

    if schema is BEATS:
        names = [str(one.get("name")) for one in raw.header.get("operations") or () if isinstance(one, dict)]
        numbers = table["operation"].to_numpy()
        known = (numbers >= 0) & (numbers < len(names))
        raw.bad += int((~known).sum())
        table = table.filter(pyarrow.array(known))
        codes = pyarrow.array(numbers[known].astype(numpy.int32))
        operations = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(names, pyarrow.string()))
        table = table.set_column(table.schema.get_field_index("operation"), "operation", operations)
    source = pyarrow.array([str(raw.header.get("source"))], pyarrow.string())
    zeros = pyarrow.array(numpy.zeros(len(table), numpy.int32))
    named = table.add_column(0, "source", pyarrow.DictionaryArray.from_arrays(zeros, source))
    return named.cast(arrow_schema(schema))


def _file(path: Path, raw: Raw, tables: Sequence["pyarrow.Table"]) -> RawFileInfo:
    return RawFileInfo(
        path.name,
        sha256_of(path),
        raw.header,
        raw.why_not,
        sum(len(table) for table in tables),
        raw.watermark_ns,
        raw.ended_ns,
        raw.told,
        tuple(raw.silences),
        raw.bad,
        raw.torn,
    )


def metadata(records: Records) -> dict[bytes, bytes]:
    """Return the metadata that is stored with the rows."""
    headers = [file.header for file in records.files]
    files = [asdict(file) for file in records.files]
    return {HEADERS: json.dumps(headers).encode(), FILES: json.dumps(files).encode()}


def _read_stored(path: Path, schema: RecordSchema, sha256: str) -> Records:
    import pyarrow

    try:
        with open_stored(path, schema) as stored:
            known = json.loads((stored.schema_arrow.metadata or {})[FILES])
            files = tuple(RawFileInfo(**{**one, "silences": tuple(map(tuple, one["silences"]))}) for one in known)
            wanted = [field for field in arrow_schema(schema) if field.name not in schema.not_judged]
            table = pyarrow.table([_whole_column(stored, field) for field in wanted], pyarrow.schema(wanted))
        pyarrow.default_memory_pool().release_unused()
    except (pyarrow.ArrowException, KeyError, TypeError, OSError) as error:
        raise ForeignRecords(f"{path.name} is not what chaosdrill stores: {type(error).__name__}: {error}") from error
    lookups = path.with_name(LOOKUPS)
    rows = _lookups(read_json(lookups)) if schema is BEATS and lookups.is_file() else []
    return Records(table, files, tuple(rows), (path.name, sha256))


def open_stored(path: Path, schema: RecordSchema) -> "parquet.ParquetFile":
    """Open stored records after a check of the sizes that the file states.

    :raises ForeignRecords: when reading it would take more memory than records of that size can: a Parquet file may
        expand to a thousand times its size.
    :raises pyarrow.ArrowException: when it is not a Parquet file.
    """
    from pyarrow import parquet

    limits = {"thrift_string_size_limit": MOST_HEADER, "thrift_container_size_limit": MOST_PARTS}
    try:
        stored = parquet.ParquetFile(path, read_dictionary=list(schema.texts), **limits)
    except KeyError as error:
        raise ForeignRecords(f"{path.name} is not what chaosdrill stores: it has no column {error}") from error
    try:
        _check_bounds(path, stored)
    except BaseException:
        stored.close()
        raise
    return stored


def _check_bounds(path: Path, stored: "parquet.ParquetFile") -> None:
    """Check the numbers of rows and bytes in a file before it is read.

    The footer may be wrong: the largest of its counts is used, and the sizes in the page headers.
    """
    size, found = path.stat().st_size, stored.metadata
    most_rows, most_bytes = SMALL_ROWS + size, SMALL_BYTES + DENSEST * size
    flat = len(stored.schema_arrow) == found.num_columns <= MOST_COLUMNS
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    rows = found.num_rows
    unpacked = 0
    if flat and 0 <= rows <= most_rows:
        columns = [[group.column(number) for group in groups] for number in range(found.num_columns)]
        rows = max([rows, *(sum(chunk.num_values for chunk in column) for column in columns)])
        chunks = [chunk for column in columns for chunk in column]
        unpacked = max(sum(chunk.total_uncompressed_size for chunk in chunks), _unpacked(path, chunks))
    if not flat or not 0 <= rows <= most_rows or not 0 <= unpacked <= most_bytes:
        raise ForeignRecords(
            f"{path.name} of {size:,} bytes is not what chaosdrill stores: it would become {rows:,} rows of "
            f"{found.num_columns} columns, {unpacked:,} bytes, and may become {most_rows:,} rows, {most_bytes:,} bytes"
        )


def _unpacked(path: Path, chunks: "Sequence[parquet.ColumnChunkMetaData]") -> int:
    """Return the decompressed size of the pages in bytes, as their headers state it."""
    try:
        with open(path, "rb") as file:
            return sum(unpacked_bytes(file, _begins(chunk), chunk.total_compressed_size) for chunk in chunks)
    except ValueError as error:
        raise ForeignRecords(f"{path.name} is not what chaosdrill stores: {error}") from error


def _begins(chunk: "parquet.ColumnChunkMetaData") -> int:
    """Return the offset of a column's first page in a row group: of the dictionary page, if there is one."""
    texts = chunk.dictionary_page_offset
    begins = chunk.data_page_offset if texts is None or texts <= 0 else min(texts, chunk.data_page_offset)
    return max(0, int(begins))


def _whole_column(stored: "parquet.ParquetFile", field: "pyarrow.Field") -> "pyarrow.Array":
    """Read a column as one array; one column at a time, because combining all at once would need twice the memory."""
    chunks = stored.read([field.name]).column(0).cast(field.type)
    return chunks.unify_dictionaries().combine_chunks()


def _lookups(data: bytes) -> list[list[Any]]:
    found = values(data.split(b"\n")[:-1])
    return [row for row in found if isinstance(row, list) and len(row) > 1 and isinstance(row[1], int)]
