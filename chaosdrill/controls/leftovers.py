"""The leftovers of a drill, read after its rollbacks while the drill is closed."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from chaosdrill import history
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.record import in_words
from chaosdrill.rescue.sweep import Sweep, find

logger = logging.getLogger("chaostoolkit")
EVENT = "swept"


class LeftoversRead:
    """A sweep of the system in the background; it only reads."""

    def __init__(self, drill: DrillContext) -> None:
        self._drill = drill
        self._sweep: Future[Sweep] | None = None

    def begin(self) -> None:
        """Start it, if the drill may have left something and the system can be read."""
        opened = history.current()
        if opened is None or not self._drill.touched or history.target_lost() or history.hurried():
            return
        system = self._drill.system
        pool = ThreadPoolExecutor(1, thread_name_prefix="sweep")
        self._sweep = pool.submit(find, system, ended=(opened.run_id,), with_reused=False)
        pool.shutdown(wait=False)

    def note(self) -> None:
        """Wait for its end, and record the leftovers, or why they cannot be read. It never raises."""
        if self._sweep is None:
            return
        try:
            found = self._sweep.result()
        except Exception as error:  # noqa: BLE001 - no error may prevent closing the drill
            self._drill.record.note(EVENT, left=[], unreadable={"coordination": in_words(error)})
            return
        self._drill.record.note(EVENT, left=[asdict(one) for one in found.left], unreadable=found.unreadable)
        for one in found.left:
            logger.warning(f"Left behind: {one.part}: {one.what}: {one.remove_by_hand}")
