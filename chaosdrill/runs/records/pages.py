"""Sizes of the pages of a Parquet file, read from their headers before any page is decompressed.

The footer of a file may give wrong page sizes, and a reader allocates the size in each page's own header. This module
therefore walks through the headers as the reader does. They are Thrift structures in the compact protocol.

:source: https://parquet.apache.org/docs/file-format/data-pages/
:source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator
from typing import BinaryIO

LONGEST_HEADER = 65_536  # bytes, with the statistics of text columns; a header of records has about 50
MOST_PAGES = 100_000  # a page of records has about 1 MB
_DEEPEST = 8  # nesting of structures; a page header has 3
_UNPACKED_SIZE, _PACKED_SIZE = 2, 3  # fields of a page's header
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def unpacked_bytes(file: BinaryIO, begins: int, length: int) -> int:
    """Return the total size of a column's pages in a row group, without decompressing them.

    :param file: the Parquet file.
    :param begins: the offset of the first page in bytes; ``length``: the compressed size of all pages.
    :returns: the decompressed size in bytes.
    :raises ValueError: when these are no pages, or too many.
    """
    return sum(size for size, _ in _pages(file, begins, begins + length))


def _pages(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int]]:
    for _ in range(MOST_PAGES):
        if at >= end:
            return
        file.seek(at)
        header = _Structure(file.read(LONGEST_HEADER))
        fields = header.read()
        unpacked, packed = fields.get(_UNPACKED_SIZE, -1), fields.get(_PACKED_SIZE, -1)
        if unpacked < 0 or packed < 0:
            raise ValueError("a page has no size")
        yield unpacked, packed
        at += header.at + packed
    raise ValueError(f"it has more than {MOST_PAGES:,} pages in one column")


class _Structure:
    """A structure in Thrift's compact protocol, at the beginning of ``data``.

    :param at: how many bytes of it have been read.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def read(self, depth: int = 0) -> dict[int, int]:
        """Return the integers of the structure by field number.

        :raises ValueError: when it is invalid, or longer than the data.
        """
        if depth > _DEEPEST:
            raise ValueError("the header of a page is nested too deeply")
        found: dict[int, int] = {}
        number = 0
        while (first := self._byte()) != 0:
            number = number + (first >> 4) if first >> 4 else self._integer()
            kind = first & 15
            if kind in (_I16, _I32, _I64):
                found[number] = self._integer()
            elif kind not in (_TRUE, _FALSE):  # their value is part of the type
                self._skip(kind, depth)
        return found

    def _skip(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE, _BYTE):
            self._byte()
        elif kind in (_I16, _I32, _I64):
            self._integer()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self._varint()
            self.at += length
        elif kind in (_LIST, _SET):
            first = self._byte()
            for _ in range(self._varint() if first >> 4 == 15 else first >> 4):
                self._skip(first & 15, depth)
        elif kind == _STRUCT:
            self.read(depth + 1)
        else:  # page headers have no maps
            raise ValueError("the header of a page is none")

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ValueError("the header of a page is cut off, or too long")
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("the header of a page has a number that is too long")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
