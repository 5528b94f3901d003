"""Monitors that run during the whole drill: of the region state, and of the responses to clients."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaosdrill import region
from chaosdrill.aws.read_coalescing import ReadResult
from chaosdrill.client.load_generator import LoadGenerator, TimelinePart
from chaosdrill.errors import CannotSee

RECENT_S = 5.0


class Periodic:
    """Calls ``look`` in a thread of its own, every ``every_s`` seconds, until it is stopped.

    :param failed: called with an exception that ``look`` raised; the thread continues.
    :param first_after_s: seconds until the first call.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        look: Callable[[], None],
        failed: Callable[[Exception], None],
        first_after_s: float = 0.0,
    ) -> None:
        self._every_s, self._look, self._failed, self._first_after_s = every_s, look, failed, first_after_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"chaosdrill-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Stop, and wait at most ``within_s`` seconds for a running call to end."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(within_s)

    def _run(self) -> None:
        region.watch()
        self._stop.wait(self._first_after_s)
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the boundary of the thread: a monitor must not die silently
                if self._stop.is_set():
                    return  # the receiver of the error may no longer exist
                self._failed(error)
            self._stop.wait(max(0.0, self._every_s - (time.monotonic() - begun)))


class RegionWatch:
    """The monitor of the region state, which reports each change of the state and of the facts behind it.

    :param changed: called with the new state and the facts.
    :param facts_changed: called with the state, the reading, and when the last reading with the old facts began (None:
        there was none), in ns since the epoch.
    """

    def __init__(
        self,
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any] | None,
        changed: Callable[[str, Mapping[str, Any]], None],
        facts_changed: Callable[[str, ReadResult, int | None], None],
    ) -> None:
        self._configuration, self._secrets = configuration, secrets
        self._changed, self._facts_changed = changed, facts_changed
        self._lock = threading.Lock()
        self._last: ReadResult | None = None
        self.state = ""
        self.unreadable: tuple[str, ...] = ()
        self.looks, self.longest_gap_s = 0, 0.0

    def look(self) -> str:
        """Read the present region state.

        Concurrent calls do not wait for each other. Of two readings that overlap, the older one reports nothing.
        """
        reading = region.read_region(self._configuration, self._secrets)
        with self._lock:  # changes are reported in the order of the readings
            if self._last is None or reading.began_s > self._last.began_s:
                self._take(reading)
        return str(region.verdict(reading.value))

    def _take(self, reading: ReadResult) -> None:
        facts = reading.value
        state = str(region.verdict(facts))
        errors = (fact["error"] for fact in facts.values() if isinstance(fact, Mapping) and "error" in fact)
        self.unreadable = tuple(dict.fromkeys(errors))
        if self._last is None or facts != self._last.value:
            self._facts_changed(state, reading, self.last_ns)
        self._count(reading)
        if state != self.state:
            self.state = state
            self._changed(state, facts)

    def _count(self, reading: ReadResult) -> None:
        self.looks += 1
        if self._last is not None:
            self.longest_gap_s = max(self.longest_gap_s, round(reading.began_s - self._last.began_s, 3))
        self._last = reading

    @property
    def last_ns(self) -> int | None:
        """When the last reading began; None before the first."""
        return None if self._last is None else self._last.began_ns


class LoadWatch:
    """The monitor of the responses to clients, written to disk as they are read, so that a load generator that dies
    loses none of them.

    :param find: returns the load generator; None while there is none.
    :param path: the file for ``[start, succeeded, failed]`` per 0.1 s, one a line.
    """

    def __init__(self, find: Callable[[], LoadGenerator | None], path: Path) -> None:
        self._find = find
        self._generator: LoadGenerator | None = None
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int, int]] = deque()
        self._since_s: float | None = None
        self._looked_s = -math.inf
        self.buckets: list[tuple[float, int, int]] = []
        self.seen_until_s = 0.0
        self.ended_s: float | None = None  # when the last test ended, if none runs
        self.error_ratio: float | None = None
        self.blind = False  # the last read failed

    def due(self) -> bool:
        """Return whether it is time for the next read; the load generator determines the interval."""
        generator = self._generator
        return generator is None or time.monotonic() - self._looked_s >= generator.look_every_s

    def look(self) -> None:
        """Fetch the results that have become final since the last call.

        :raises CannotSee: when the load generator does not respond.
        """
        with self._lock:
            try:
                part = self._fetch()
            except CannotSee:
                self.error_ratio, self.blind = None, True
                raise
            self.blind = False
            if part is not None:
                self._take(part)

    def _fetch(self) -> TimelinePart | None:
        self._looked_s = time.monotonic()
        generator = self._find()
        if generator is None:
            return None  # a local one that was not started yet
        if generator is not self._generator:
            self._generator, self._since_s = generator, generator.since_s
        if self._since_s is None:
            self._since_s = generator.state().now_s
        return generator.timeline(self._since_s)

    def _take(self, part: TimelinePart) -> None:
        self._keep(part.buckets)
        self.ended_s = part.stopping_s
        if self._since_s is None or part.watermark_s > self._since_s:
            self._since_s = self.seen_until_s = part.watermark_s
        self._forget_before(part.watermark_s - RECENT_S)

    def _keep(self, buckets: tuple[tuple[float, int, int], ...]) -> None:
        self.buckets += buckets
        self._recent.extend(buckets)
        self._file.writelines(json.dumps(bucket) + "\n" for bucket in buckets)
        self._file.flush()

    def _forget_before(self, epoch_s: float) -> None:
        while self._recent and self._recent[0][0] < epoch_s:
            self._recent.popleft()
        good, bad = (sum(bucket[index] for bucket in self._recent) for index in (1, 2))
        self.error_ratio = bad / (good + bad) if good + bad else None

    def close(self) -> None:
        """Close the file. Write errors of a full disk were reported when they happened."""
        with suppress(OSError):
            self._file.close()
