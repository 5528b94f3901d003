"""What the pages of a Parquet file say of themselves, read before any of them is unpacked.

The footer of a file may lie about the size of its pages, and a reader allocates what each page's own header says. So
the headers are what counts: this walks through them as the reader does. They are Thrift structures in its compact form.

See: https://parquet.apache.org/docs/file-format/data-pages/,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator
from typing import BinaryIO

LONGEST_HEADER = 65_536  # bytes, with the statistics of a page's texts; one of records has some 50
MOST_PAGES = 100_000  # a page of records has some 1 MB
_DEEPEST = 8  # of structures within each other; a page's header has 3
_UNPACKED_SIZE, _PACKED_SIZE = 2, 3  # fields of a page's header
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def unpacked_bytes(file: BinaryIO, begins: int, length: int) -> int:
    """Add up the sizes of a column's pages in a row group, without unpacking them.

    :param file: the Parquet file.
    :param begins: where its first page begins, in bytes; ``length``: of all its pages there, packed.
    :returns: bytes that they become.
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
            raise ValueError("a page does not say how large it is")
        yield unpacked, packed
        at += header.at + packed
    raise ValueError(f"it has more than {MOST_PAGES:,} pages in one column")


class _Structure:
    """A structure in Thrift's compact form, at the beginning of ``data``.

    :param at: how much of it has been read.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def read(self, depth: int = 0) -> dict[int, int]:
        """:returns: the integers in it by the numbers of their fields.

        :raises ValueError: when it is none, or longer than what is there.
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
            elif kind not in (_TRUE, _FALSE):  # whose value is the kind itself
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
        else:  # no header of a page has a map
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
