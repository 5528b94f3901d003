"""Buckets per endpoint, and per region or address, within a bounded memory. Pure.

What does not fit is reported, never estimated: for endpoints beyond the limit only the total is known, and windows that
begin before the oldest stored bucket are incomplete. The total in ``timeline`` always has everything.
"""

from collections.abc import Mapping

from chaosdrill.load.buckets import Bucket, Endpoint, Row, Share

MOST_ENDPOINTS = 200  # a script that does not group `/item/17` under one name has as many endpoints as requests
MOST_CELLS = 100_000  # some 60 MB; with one answering address: 15 minutes of 10 endpoints, or 100 s of 100 endpoints


class EndpointBuckets:
    """A cell (bucket) for each endpoint and region or address in each 0.1 s in which it was requested.

    :param most_endpoints: this many endpoints, the first, are counted separately.
    :param most_cells: the limit beyond which the oldest are dropped.
    """

    def __init__(self, most_endpoints: int = MOST_ENDPOINTS, most_cells: int = MOST_CELLS) -> None:
        self._most_endpoints, self._most_cells = most_endpoints, most_cells
        self._cells: dict[int, dict[Share, Bucket]] = {}
        self._count = 0
        self._known: set[Endpoint] = set()
        self.complete_from = 0  # the first bucket number from which all cells are still stored
        self.too_many = 0  # requests of endpoints beyond the limit

    def at(self, number: int, share: Share) -> Bucket | None:
        """Return the cell in which to count a request; None when there is no room for it."""
        if number < self.complete_from:
            return None
        endpoint = share[:2]
        if endpoint not in self._known:
            if len(self._known) >= self._most_endpoints:
                self.too_many += 1
                return None
            self._known.add(endpoint)
        cells = self._cells.setdefault(number, {})
        if share not in cells:
            self._count += 1
            cells[share] = Bucket()
            self._make_room(number)
        return cells[share]

    def _make_room(self, newest: int) -> None:
        while self._count > self._most_cells and (oldest := next(iter(self._cells))) != newest:
            self._forget(oldest)

    def _forget(self, number: int) -> None:
        self._count -= len(self._cells.pop(number, {}))
        self.complete_from = max(self.complete_from, number + 1)

    def between(self, first: int, last: int) -> Mapping[Share, Bucket]:
        """Return the sum of each share that was requested, over the buckets from ``first`` to before ``last``."""
        found: dict[Share, Bucket] = {}
        for number in range(first, last):
            for share, cell in self._cells.get(number, {}).items():
                found.setdefault(share, Bucket()).add(cell)
        return found

    def begin_anew(self) -> None:
        """Begin a new test: it may use other endpoints, so the known ones are dropped."""
        self._known = set()
        self.too_many = 0

    def rows(self, number: int) -> list[Row] | None:
        """Return the cells of a bucket as plain values; None when they were dropped."""
        if number < self.complete_from:
            return None
        return [[*share, cell.row()] for share, cell in self._cells.get(number, {}).items()]

    def empty(self) -> None:
        """Drop everything, after it was sent on."""
        self._cells, self._count, self._known = {}, 0, set()

    def add_rows(self, number: int, rows: list[Row] | None) -> None:
        """Add the :meth:`rows` of a worker."""
        if rows is None:
            self._forget(number)
            return
        for method, name, answerer, row in rows:
            self.add(number, (method, name, answerer), Bucket.of_row(row))

    def add(self, number: int, share: Share, counted: Bucket) -> None:
        """Add the counts of a share in a bucket."""
        if (cell := self.at(number, share)) is not None:
            cell.add(counted)
        elif number >= self.complete_from:
            self.too_many += counted.requests - 1  # at() has counted one
