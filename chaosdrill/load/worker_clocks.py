"""Offsets of the workers' clocks from their master's, measured by messages that go there and back.

The shortest of several round trips counts: the worker's response was made between its beginning and its end, so half of
it is the uncertainty. Measurements are repeated, because clocks drift.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gevent

from chaosdrill.load import monotonic_clock

ASK, TELL = "chaosdrill-clock-ask", "chaosdrill-clock-tell"
ROUNDS = 5
BETWEEN_S = 0.05
EVERY_S = 10.0
LOOK_EVERY_S = 0.5


@dataclass
class _Reading:
    round: int
    offset_ns: int
    uncertainty_ns: int


class WorkerClocks:
    """The clocks of a master's workers.

    :param connected: returns the ids of the workers that are connected now.
    """

    def __init__(self, runner: Any, connected: Callable[[], Sequence[str]]) -> None:
        self._runner, self._connected = runner, connected
        self._readings: dict[str, _Reading] = {}
        self._asked_ns: dict[str, int] = {}
        self._round = 0
        runner.register_message(TELL, self._on_told)
        gevent.spawn(self._measure_forever)

    def offsets(self) -> dict[str, dict[str, int]]:
        """Return, by worker, the offset of its clock from the master's, and the uncertainty of the offset, in
        nanoseconds.
        """
        return {
            worker: {"offset_ns": one.offset_ns, "uncertainty_ns": one.uncertainty_ns}
            for worker, one in self._readings.items()
        }

    def _measure_forever(self) -> None:
        while True:
            gevent.sleep(LOOK_EVERY_S)
            self._round += 1
            due_ns = monotonic_clock.now_ns() - int(EVERY_S * 1e9)
            due = [worker for worker in self._connected() if self._asked_ns.get(worker, 0) <= due_ns]
            for _ in range(ROUNDS if due else 0):
                for worker in due:
                    self._asked_ns[worker] = sent_ns = monotonic_clock.now_ns()
                    self._runner.send_message(ASK, {"round": self._round, "sent_ns": sent_ns}, worker)
                gevent.sleep(BETWEEN_S)

    def _on_told(self, msg: Any, **_: Any) -> None:
        data, now_ns = msg.data, monotonic_clock.now_ns()
        uncertainty_ns = (now_ns - data["sent_ns"] + 1) // 2
        before = self._readings.get(msg.node_id)
        if before is None or before.round != data["round"] or uncertainty_ns < before.uncertainty_ns:
            offset_ns = data["now_ns"] - (data["sent_ns"] + now_ns) // 2
            self._readings[msg.node_id] = _Reading(data["round"], offset_ns, uncertainty_ns)


def answer(runner: Any) -> None:
    """In a worker: send the master the time of this machine at each request."""

    def tell(msg: Any, **_: Any) -> None:
        runner.send_message(TELL, {**msg.data, "now_ns": monotonic_clock.now_ns()})

    runner.register_message(ASK, tell)
