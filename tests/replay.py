"""A stored run's files, written again into a directory bit by bit, as a drill writes them."""

import json
from pathlib import Path

import pytest

from tests import synthetic_run
from tests.synthetic_run import HOME, Row, make_run

FILES = ("history.jsonl", "timeline.jsonl", "records/beats.jsonl")


def lines_of_run(directory: Path, began_s: float = synthetic_run.T0_NS / 1e9) -> dict[str, list[bytes]]:
    """:returns: the lines of each file of a synthetic run that a drill writes while it goes on.

    :param began_s: when its clock began, in s since the epoch.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_run, "T0_NS", round(began_s * 1e9))
        run = make_run(directory, events_of=_as_seen_beside_it, stored=False)
    return {name: (run / name).read_bytes().splitlines(keepends=True) for name in FILES}


def _as_seen_beside_it(rows: list[Row]) -> list[Row]:
    """With what matters to somebody who watches, and to no judge."""
    return [
        *rows,
        {"s": -1.4, "event": "region-state", "state": f"serving({HOME})", "facts": {}},
        {"s": -1.3, "event": "phase", "phase": "setup"},
    ]


class Replay:
    """Writes them.

    :param directory: of the run that grows; it is made.
    """

    def __init__(self, lines: dict[str, list[bytes]], directory: Path) -> None:
        self.directory = directory
        self._left = {name: list(of) for name, of in lines.items()}
        (directory / "records").mkdir(parents=True)

    def write(self, name: str, count: int) -> None:
        """Append so many lines of a file."""
        self.append(name, b"".join(self._left[name][:count]))
        del self._left[name][:count]

    def write_until(self, event: str) -> None:
        """Append events up to the first of that name, that one, too."""
        left = self._left["history.jsonl"]
        self.write("history.jsonl", next(at for at, line in enumerate(left, 1) if json.loads(line)["event"] == event))

    def append(self, name: str, data: bytes) -> None:
        """Append whatever it is."""
        with open(self.directory / name, "ab") as file:
            file.write(data)

    def rest(self) -> None:
        """Append everything that is left."""
        for name in (FILES[1], FILES[2], FILES[0]):
            self.write(name, len(self._left[name]))
