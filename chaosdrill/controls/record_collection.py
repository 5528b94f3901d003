"""Collection of the load generator's and the heartbeat's records into the run directory, during and after the drill."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from chaosdrill.client import collecting
from chaosdrill.client.heartbeat_records import RECORDS
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.record import DrillRecord
from chaosdrill.errors import CannotSee, DrillError

CLOCKS_EVERY_S = 30.0
LAST_ROWS_WITHIN_S = 3.0


class LoadRecords:
    """The rows of the load generator.

    :param find: returns the load generator; None while there is none.
    :param into: the directory for them.
    :param record: gets the readings of its clocks, and the final count of collected rows.
    """

    def __init__(self, find: Callable[[], LoadGenerator | None], into: Path, record: DrillRecord) -> None:
        self._find, self._into, self._record = find, into, record
        self._looked_s = self._clocks_s = float("-inf")
        self._skip: Mapping[str, int] = {}
        if (generator := find()) is not None:  # it runs already: its records so far are not this drill's
            with suppress(CannotSee):
                self._skip = collecting.marks(generator)

    def look(self) -> None:
        """Collect new rows, and measure the clocks from time to time, once the load was started.

        :raises CannotSee: when the load generator does not respond.
        """
        generator = self._generator()
        now_s = time.monotonic()
        if generator is None or now_s - self._looked_s < 2 * generator.look_every_s:
            return
        self._looked_s = now_s
        if now_s - self._clocks_s >= CLOCKS_EVERY_S:
            self._clocks_s = now_s
            try:
                self._measure_clocks(generator)
            except CannotSee:
                if not generator.has_ended:  # else it has ended while its clock was read
                    raise
        collecting.collect(generator, self._into, self._skip)

    def finish(self) -> None:
        """Collect the remaining rows, and record in the history what was collected. Never raises a DrillError."""
        if not self._was_started():
            return
        generator = self._find()
        if generator is not None:
            with suppress(DrillError):
                self._measure_clocks(generator)
        for one in collecting.finish(generator, self._into, self._skip, LAST_ROWS_WITHIN_S):
            self._record.note("records-collected", **asdict(one))

    def _generator(self) -> LoadGenerator | None:
        return self._find() if self._was_started() else None

    def _was_started(self) -> bool:
        return any(row["event"] == "load-starting" for row in self._record.events)

    def _measure_clocks(self, generator: LoadGenerator) -> None:
        for source, one in generator.clocks().items():
            self._record.note("clock-measured", source=source, **asdict(one))


def take_records(drill: DrillContext, load_records: LoadRecords | None) -> None:
    """At the end of a drill, end the heartbeat if no step has, and collect all remaining records."""
    if drill.heartbeat is not None:
        drill.heartbeat.end()
    if load_records is not None:
        load_records.finish()


def store_records(drill: DrillContext, directory: Path) -> None:
    """Convert the raw records to Parquet; if that fails they stay as they are, which every reader also accepts."""
    if not (directory / RECORDS).is_dir():
        return
    from chaosdrill.runs import store  # pyarrow takes a second to import: not before a drill closes

    try:
        for one in store(directory):
            drill.record.note("records-stored", **one)
    except (OSError, ValueError) as error:
        drill.record.note("records-not-stored", why=f"{type(error).__name__}: {error}")
