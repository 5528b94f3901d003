"""A race: starts the drivers, pauses the one that holds the lease, and lets the checker read the endpoint's log."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from chaosdrill.aws import deadlines, system_of
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.interface import CLOCK_BOUND_MS
from chaosdrill.parts.registry import lease_keys
from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.aws_drills import free
from tests.contract.lab_aws import get
from tests.lease_race.checker import Bound, Checked, check
from tests.lease_race.driver import CHANGES
from tests.lease_race.processes import Line, Processes

RULE = "lease-race"
LEASE_S = 10.0
SETTLE_S = 0.2
FORWARD, REVERSAL = "DisableRule", "EnableRule"
Pause = Literal["short", "renewal", "late", "taken-over"]
PAUSES: Sequence[Pause] = ("taken-over", "short", "renewal", "late")
"""How long a holder is stopped: some of its lease; so long that it must renew before its next change; beyond the end of
its lease, but not until it may be taken over; until it was taken over."""


@dataclass
class Raced:
    """What a race came to.

    :param events: how often the drivers wrote each event.
    :param lines: what they wrote.
    :param is_enabled: whether the rule was in the end.
    :param open: runs that hold the lease or owe an undo in the end.
    """

    checked: Checked
    pauses: Counter[str]
    events: Counter[str]
    lines: list[Line]
    is_enabled: bool
    open: tuple[str, ...]
    seconds: float
    bound: Bound


class _Drivers(Processes):
    def taken_over(self) -> set[str]:
        """Return the runs whose lease another run has taken over."""
        return {run for line in self.said("took") for run in line["over"]}


@dataclass
class Race:
    """A race for the system of a lab's endpoint.

    :param directory: of this race's files.
    :param drivers: how many race.
    :param options: further ones of ``tests.lease_race.driver``.
    """

    rig: Rig
    directory: Path
    drivers: int = 16
    seed: int = 1
    options: Sequence[str] = ()
    lease_s: float = LEASE_S
    _pauses: Counter[str] = field(default_factory=Counter)

    def run(self, pauses: Sequence[Pause]) -> Raced:
        """Race while holders are paused, one after the other."""
        self._make_rule()
        topology = self._topology()
        free(system_of({"topology": str(topology)}))  # of drivers that were killed in an earlier race
        began_s, before = time.monotonic(), self._last_call()
        random = Random(self.seed)
        with self._racing(topology) as drivers:
            for pause in pauses:
                self._pause_holder(drivers, pause, random)
        lines = drivers.lines
        bound = Bound(self.lease_s, self._attempt_s(topology), (FORWARD,), (REVERSAL,))
        calls = get(f"{self.rig.lab.url}/chaosdrill/calls?since={before}")[1]["calls"]
        return Raced(
            checked=check([call for call in calls if call["app"]], bound),
            pauses=self._pauses,
            events=Counter(line["event"] for line in lines),
            lines=lines,
            is_enabled=self._events().describe_rule(Name=RULE)["State"] == "ENABLED",
            open=self._open(topology),
            seconds=time.monotonic() - began_s,
            bound=bound,
        )

    def _events(self) -> Any:
        return self.rig.lab.client("events", TOKYO)

    def _make_rule(self) -> None:
        self._events().put_rule(Name=RULE, EventPattern='{"source": ["chaosdrill.test"]}', State="ENABLED")

    def _topology(self) -> Path:
        path = self.directory / "topology.yaml"
        coordination = {**self.rig.lab.topology["coordination"], "lease_s": self.lease_s}
        self.rig.other_topology(path, coordination=coordination)
        return path

    def _attempt_s(self, topology: Path) -> float:
        return deadlines.attempt_s(system_of({"topology": str(topology)}).client("events", TOKYO))

    def _last_call(self) -> int:
        return max((one["number"] for one in get(f"{self.rig.lab.url}/chaosdrill/calls")[1]["calls"]), default=0)

    @contextmanager
    def _racing(self, topology: Path) -> Iterator[_Drivers]:
        options = ("--drivers", str(self.drivers), "--seed", str(self.seed), *self.options)
        arguments = (str(topology), RULE, TOKYO, *options)
        drivers = _Drivers("tests.lease_race.driver", arguments, self.directory / "drivers.log")
        try:
            yield drivers
            drivers.end()
        finally:
            drivers.close()

    def _pause_holder(self, drivers: _Drivers, pause: Pause, random: Random) -> None:
        while not self._paused(drivers, pause, random):
            pass  # the signal came after the end of the run
        self._pauses[pause] += 1

    def _paused(self, drivers: _Drivers, pause: Pause, random: Random) -> bool:
        drivers.forget()
        number = random.randrange(1, CHANGES - 1)  # it has changed something, and has more to change
        while (holder := drivers.next("changing", number=number))["run"] in drivers.taken_over():
            pass  # it was stopped before, and has not noticed yet
        time.sleep(random.uniform(0, 0.05))  # anywhere in its call, or after it
        os.kill(holder["pid"], signal.SIGSTOP)
        try:
            if pause == "taken-over":
                return self._has_more_to_change(drivers, holder) and self._is_taken_over(drivers, holder, random)
            time.sleep(self._lasts_s(pause, random))
            return True
        finally:
            os.kill(holder["pid"], signal.SIGCONT)

    def _has_more_to_change(self, drivers: _Drivers, holder: Line) -> bool:
        time.sleep(SETTLE_S)  # what it has written arrives
        return bool(drivers.said("changing", run=holder["run"])[-1]["number"] < CHANGES - 1)

    def _is_taken_over(self, drivers: _Drivers, holder: Line, random: Random) -> bool:
        """Wait until another driver has taken the lease, and is at work."""
        taker = drivers.next("took", lambda line: line["driver"] != holder["driver"])
        drivers.next(random.choice(["repaired", "released"]), run=taker["run"])
        return taker["over"] == [holder["run"]]

    def _lasts_s(self, pause: Pause, random: Random) -> float:
        if pause == "short":
            return random.uniform(0, 1)
        if pause == "renewal":
            return random.uniform(2.5, self.lease_s / 2)
        return self.lease_s + random.uniform(0.5, CLOCK_BOUND_MS / 1000 + 5)

    def _open(self, topology: Path) -> tuple[str, ...]:
        system = system_of({"topology": str(topology)})
        state = coordination_of(system).read(lease_keys(system.topology))
        return tuple(sorted({lease.run for lease in state.holding()} | {one.run for one in state.owed}))
