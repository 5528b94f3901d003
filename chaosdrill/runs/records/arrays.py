"""Stored records as arrays for the judgement, restricted to the columns that it reads."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaosdrill.analysis.clocks import Offset
from chaosdrill.analysis.records import Beats, Requests, beats_of, requests_of
from chaosdrill.records.rows import BEATS, REQUESTS, RecordSchema
from chaosdrill.runs.records.tables import Records

if TYPE_CHECKING:
    import numpy

    Columns = tuple[dict[str, numpy.ndarray[Any, Any]], dict[str, tuple[str, ...]]]

Offsets = Callable[[str], Offset]


def beats(records: Records, offset: Offsets, regions: Mapping[str, str]) -> Beats:
    """Put the beats on the recorder's timeline.

    :param regions: the region of each address, used for responses that do not name their region.
    """
    columns, names = _columns(records, BEATS)
    by_address = _name_regions(columns, names, regions)
    sources = [file.source for file in records.files]
    headers = [file.header for file in records.files]
    lookups = {source: list(records.lookups) for source in sources[:1]}
    found = beats_of(headers, columns, names, _offsets(sources, offset), lookups, *_ends(records))
    return replace(found, by_address=by_address)


def _name_regions(
    columns: dict[str, "numpy.ndarray[Any, Any]"], names: dict[str, tuple[str, ...]], regions: Mapping[str, str]
) -> bool:
    """Fill in the region of each response that names none.

    :returns: whether regions are known by addresses alone.
    """
    import numpy

    told, known = names["region"], tuple(regions.get(address, "") for address in names["address"])
    if not any(known):
        return False
    unnamed = numpy.array([not name for name in told])[columns["region"]] & (columns["status"] > 0)
    columns["region"] = numpy.where(unnamed, columns["address"] + len(told), columns["region"])
    names["region"] = told + known
    return not any(told)


def requests(records: Records, offset: Offsets) -> Requests:
    """Return the requests of all sources on the recorder's timeline."""
    columns, names = _columns(records, REQUESTS)
    return requests_of(columns, names, _offsets([file.source for file in records.files], offset), *_ends(records))


def _columns(records: Records, schema: RecordSchema) -> "Columns":
    """Return the columns that the judgement reads, with the texts of those that are stored as codes."""
    judged = [name for name in schema.stored if name not in schema.not_judged]
    columns = {name: records.integers(name) for name in judged if name not in schema.texts}
    names: dict[str, tuple[str, ...]] = {}
    for name in (name for name in judged if name in schema.texts):
        columns[name], names[name] = records.texts(name)
    return columns, names


def _offsets(sources: list[str], offset: Offsets) -> dict[str, Offset]:
    return {source: offset(source) for source in sources}


def _ends(records: Records) -> tuple[dict[str, int | None], dict[str, bool]]:
    marks = {file.source: file.watermark_ns for file in records.files}
    return marks, {file.source: file.ended_ns is not None for file in records.files}
