"""Follower of a drill: reads the files in its run directory, without any contact to its process."""

import time
from pathlib import Path

from chaosdrill.history.run_directory import HISTORY, TIMELINE
from chaosdrill.runs.liveness import goes_on
from chaosdrill.runs.records.tables import RECORDS
from chaosdrill.time_zones import ONLY_UTC, Zone
from chaosdrill.watch.progress import CLOSED, ONGOING, DrillProgress, ProgressEvent
from chaosdrill.watch.tail import Tail

ALIVE_EVERY_S = 1.0
SURE_AFTER = 2  # checks in succession that find the history unlocked: it may just have been closed


class Following:
    """One run, followed from its first event on.

    :param directory: the run directory; its files may appear later.
    :param zone: the time zone of the local times shown next to UTC.
    """

    def __init__(self, directory: Path, zone: Zone = ONLY_UTC) -> None:
        self.directory = directory
        self.progress = DrillProgress(directory.name, zone)
        self._history = Tail(directory / HISTORY, dict)
        self._timeline = Tail(directory / TIMELINE, list)
        self._beats = Tail(directory / RECORDS / "beats.jsonl", object)
        self._looked_s = float("-inf")
        self._left_alone = 0

    def look(self) -> list[ProgressEvent]:
        """Read the new contents of the files.

        :returns: the changes since the last read.
        """
        changes = self._news()
        if self.progress.state == ONGOING and self._is_left_alone():
            changes += self._news()  # it may have ended between the two reads
            if self.progress.state == ONGOING:
                changes.append(self.progress.died(time.time()))
        return changes

    def _news(self) -> list[ProgressEvent]:
        changes = [change for event in self._history.news() for change in self.progress.take_event(event)]
        for row in self._timeline.news():
            self.progress.take_bucket(row)
        changes += [change for row in self._beats.news() for change in self.progress.take_row(row)]
        return sorted(changes, key=lambda change: change.at_s)

    def _is_left_alone(self) -> bool:
        if (now_s := time.monotonic()) - self._looked_s < ALIVE_EVERY_S or self._history.behind:
            return False
        self._looked_s = now_s
        self._left_alone = 0 if goes_on(self.directory) else self._left_alone + 1
        return self._left_alone >= SURE_AFTER

    @property
    def finished(self) -> bool:
        """Whether the run has closed and everything is written, or the drill died."""
        state = self.progress.state
        return state != ONGOING and (state != CLOSED or not goes_on(self.directory))
