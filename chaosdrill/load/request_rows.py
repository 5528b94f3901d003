"""The requests of a load as rows of ``requests-<source>.jsonl``. Pure: no clock, no Locust.

This runs for every request of a load, so repeated parts are converted to JSON once and cached.
"""

import json
from typing import Any

from chaosdrill.records import rows
from chaosdrill.records.rows import REQUEST

MOST_KEPT = 10_000  # a script that does not group `/item/17` under one name has as many kinds as requests

Kind = tuple[str, str, int, int, str, str, str, int]
"""The values that many requests share: method, name, outcome, HTTP status, error, region, address, resends."""


class RequestsByKind(dict[Kind, list[Any]]):
    """Requests that have ended, by kind: end and start (ns), ms and size, one request after the other.

    ms is None where it is unknown. Flat lists, because a tuple for each request would cost more.
    """

    def __missing__(self, kind: Kind) -> list[Any]:
        made = self[kind] = []
        return made


class RequestRows:
    """Converts requests to rows, one a line.

    :param epoch_ns: is added to their times.
    """

    def __init__(self, epoch_ns: int) -> None:
        self._epoch_ns = epoch_ns
        self._kept: dict[Kind, tuple[str, str]] = {}

    def lines(self, kind: Kind, values: list[Any]) -> list[str]:
        """Return a line for each request of a kind."""
        epoch_ns = self._epoch_ns
        head, tail = self._kept.get(kind) or self._keep(kind)
        return [
            f'["{REQUEST}",{epoch_ns + started},{int((milliseconds or 0.0) * 1000)},{head}{size}{tail}'
            for _, started, milliseconds, size in zip(*[iter(values)] * 4, strict=True)
        ]

    def _keep(self, kind: Kind) -> tuple[str, str]:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        made = self._kept[kind] = f"{_inside(kind[:5])},", f",{_inside(kind[5:])}]\n"
        return made


def header(source: str, run: str, about: dict[str, Any]) -> str:
    """Return the first line of a source's file.

    :param about: its host, pid, and when it started (``started_ns``).
    """
    return json.dumps(rows.header(rows.REQUESTS.kind, {"source": source, "run": run, **about})) + "\n"


def watermark(until_ns: int) -> str:
    """Return the row that states that every request that ended before ``until_ns`` is in the file."""
    return f'["{rows.WATERMARK}",{until_ns}]\n'


def end(at_ns: int, count: int) -> str:
    """Return the row with which a source ends in order, after so many requests."""
    return f'["{rows.END}",{at_ns},{count}]\n'


def _inside(values: tuple[Any, ...]) -> str:
    return json.dumps(values, separators=(",", ":"), default=str)[1:-1]
