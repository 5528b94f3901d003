"""The monitors that run during the whole drill, and the display of its status."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chaosdrill.aws.read_coalescing import ReadResult
from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.client.heartbeat_records import RECORDS
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.controls.display import Display, Status
from chaosdrill.controls.progress import CurrentOutage, DrillStep, TimeLeft, earlier_durations
from chaosdrill.controls.record import DrillRecord, in_words
from chaosdrill.controls.record_collection import LoadRecords
from chaosdrill.controls.watching import LoadWatch, Periodic, RegionWatch

WATCH_EVERY_S = 1.0
COLLECT_EVERY_S = 5.0  # on the client host, which runs one command at a time: often enough to keep each output short


class Lookout:
    """Monitors of the region state and the clients, and the display of the status, each in a thread of its own.

    :param status: is updated by the monitors.
    :param record: gets each change of the region state, and the first failure of a monitor.
    """

    def __init__(self, status: Status, record: DrillRecord) -> None:
        self.region: RegionWatch | None = None
        self.load: LoadWatch | None = None
        self.load_records: LoadRecords | None = None
        self._status, self._record = status, record
        self._looking = ExitStack()
        self._showing = ExitStack()
        self._blind: set[str] = set()

    def show_status(self, each_time: Callable[[], None]) -> None:
        """Start the display of the status; ``each_time`` is called in the same thread, several times a second."""
        display = Display(self._status)

        def tick() -> None:
            each_time()
            display.show()

        display.start()
        self._showing.callback(display.stop)
        self._start("display", display.every_s, tick, self._showing)

    def watch_progress(self, steps: Sequence[DrillStep], directory: Path, target: str) -> None:
        """Start updating the number of the present step, the age of an outage, and the estimated remaining time.

        :param steps: those that are planned.
        :param directory: of the run.
        :param target: lab or aws.
        """
        status, outage = self._status, CurrentOutage(directory / RECORDS)
        status.steps = len(steps)
        left = TimeLeft(steps, earlier_durations(directory, target, status.scale or 1.0))

        def look() -> None:
            status.outage_s = outage.seconds()
            status.left = left.left(time.monotonic() - status.started, status.step)

        self._start("progress", WATCH_EVERY_S, look, self._looking)

    def watch_region(self, configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None) -> RegionWatch:
        """Start monitoring the region state.

        :returns: the monitor, for reads in between.
        """
        watch = self.region = RegionWatch(configuration, secrets, self._region_changed, self._facts_changed)

        def look() -> None:
            watch.look()
            self._blind.discard("region")

        self._start("region", WATCH_EVERY_S, look, self._looking)
        return watch

    def watch_heartbeat(self, find: Callable[[], HeartbeatProcess | None], every_s: float = COLLECT_EVERY_S) -> None:
        """Start collecting the heartbeat's records, and measuring its clock, while it runs."""

        def look() -> None:
            if (heartbeat := find()) is not None:
                heartbeat.collect()
                self._blind.discard("heartbeat")

        self._start("heartbeat", every_s, look, self._looking)

    def watch_load(self, find: Callable[[], LoadGenerator | None], path: Path) -> None:
        """Start monitoring the responses to clients; they are stored in the file ``path``."""
        watch = self.load = LoadWatch(find, path)
        self._showing.callback(watch.close)  # final reads come after monitoring has ended

        def look() -> None:
            if not watch.due():
                return
            try:
                watch.look()
                self._blind.discard("load")
            finally:
                self._status.error_ratio = watch.error_ratio

        self._start("load", WATCH_EVERY_S, look, self._looking)

    def watch_load_records(self, find: Callable[[], LoadGenerator | None], into: Path) -> None:
        """Start collecting the load generator's records; they are stored in the directory ``into``."""
        records = self.load_records = LoadRecords(find, into, self._record)

        def look() -> None:
            records.look()
            self._blind.discard("load records")

        self._start("load records", WATCH_EVERY_S, look, self._looking)

    def watch_target(self, gone: Callable[[], str], lost: Callable[[str], None]) -> None:
        """Start monitoring whether the target exists; ``lost`` is called once with the reason when it no longer
        does.
        """
        told: list[str] = []

        def look() -> None:
            if not told and (why := gone()):
                told.append(why)
                lost(why)

        self._start("target", WATCH_EVERY_S, look, self._looking)

    def stop_looking(self) -> None:
        """Stop reading the target, which is about to end."""
        self._looking.close()
        if (watch := self.region) is not None and watch.looks:
            gap = {"last_ns": watch.last_ns, "longest_gap_s": watch.longest_gap_s}
            self._record.note("region-watched", looks=watch.looks, **gap)

    def close(self) -> None:
        """Stop all monitors and the display."""
        with self._showing, self._looking:
            pass

    def _start(self, name: str, every_s: float, look: Callable[[], None], held: ExitStack) -> None:
        watcher = Periodic(name, every_s, look, lambda error: self._trouble(name, error))
        held.callback(watcher.stop)
        watcher.start()

    def _region_changed(self, state: str, facts: Mapping[str, Any]) -> None:
        self._status.region = state
        self._record.note("region-state", state=state, facts=facts)

    def _facts_changed(self, state: str, reading: ReadResult, previous_ns: int | None) -> None:
        times = {"began_ns": reading.began_ns, "ended_ns": reading.ended_ns, "previous_ns": previous_ns}
        self._record.note("region-facts", state=state, facts=reading.value, **times)

    def _trouble(self, name: str, error: Exception) -> None:
        """Record a monitor's failure when it begins, not every second."""
        if name not in self._blind:
            self._blind.add(name)
            self._record.remember("watch-failed", watch=name, why=in_words(error))
            if name == "region":
                self._status.region = "unknown"
