"""Drivers that die, and drivers that are slow, beside a timer that runs ``chaosdrill rescue --when-stale``."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal

from chaosdrill.aws import deadlines, system_of
from chaosdrill.coordination import coordination_of
from chaosdrill.coordination.interface import CLOCK_BOUND_MS
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import RUNS_VARIABLE, VARIABLE
from tests.contract.activities_rig import TOKYO, Rig
from tests.contract.lab_aws import get
from tests.lease_race.checker import leading_keys
from tests.lease_race.processes import Line, Processes
from tests.lease_race.race import LEASE_S, RULE

Death = Literal["killed", "stopped", "cut off", "cut off from the table"]
DEATHS: tuple[Death, ...] = ("killed", "stopped", "cut off", "cut off from the table")
NEAR_S = 2.5  # a stall ends this much before the bound: the driver must come to renew
STEP_S = 1.0  # of the ``Date`` header: by so much the service's time may be read too early


@dataclass(frozen=True)
class Times:
    """The moments of a rescue, in seconds after the last renewal of the driver that died.

    :param taken_s: when the rescue took the lease.
    :param serves_s: when home was open again.
    :param idle_s: when the last rescue that found nothing to do was begun; None when none was.
    :param rescue_s: how long the rescue took from then on to its end.
    """

    taken_s: float
    serves_s: float
    idle_s: float | None
    rescue_s: float


@dataclass(frozen=True)
class Died:
    """What became of a system whose driver died.

    :param lines: what the driver wrote.
    :param open: runs that hold the lease or owe an undo in the end.
    """

    death: Death
    times: Times
    lines: Sequence[Line]
    is_home: bool
    open: tuple[str, ...]


@dataclass(frozen=True)
class Stalled:
    """A driver that was stopped for a while and went on.

    :param gap_s: the longest time between two of its renewals, in seconds.
    :param is_rescued: whether a rescue took its lease over.
    :param is_done: whether it changed its system afterwards, reversed, paid and released.
    """

    run: str
    gap_s: float
    is_rescued: bool
    is_done: bool


class DeadMan:
    """Drivers and timers of systems of a lab's endpoint.

    :param directory: of its files.
    :param period_s: of the timers, in seconds.
    """

    def __init__(self, rig: Rig, directory: Path, period_s: float = 1.0) -> None:
        self._rig, self._directory, self._period_s, self._deaths = rig, directory, period_s, 0
        rig.lab.client("events", TOKYO).put_rule(Name=RULE, EventPattern='{"source": ["chaosdrill.test"]}')
        system = system_of(rig.configuration)
        self.attempt_s = deadlines.attempt_s(system.client("fis", TOKYO))
        self.bound_s = LEASE_S + self.attempt_s + CLOCK_BOUND_MS / 1000

    def dies(self, death: Death) -> Died:
        """Let a driver die after it has closed the home region, and wait for the rescue."""
        self._rig.go_home()
        self._deaths += 1
        topology = self._topology(f"{death.replace(' ', '-')}-{self._deaths}")
        before = self._last_call()
        cut_off = ("--cut-off", "table") if death == "cut off from the table" else ()
        with self._holding([topology], "--close-home", *cut_off) as holder, self._timers([topology]) as timers:
            pid = holder.next("holds")["pid"]
            timers.next("rescue", lambda line: line["idle"])
            os.kill(pid, _SIGNALS[death])
            acted = timers.next("rescue", lambda line: line["run"])
            if death == "stopped":
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
                holder.next("pay-made")
            timers.end()
        times = self._times(topology, self._calls(before), timers.said("rescue"), acted)
        return Died(death, times, holder.lines, self._is_home(), self._open(topology))

    def stall(self, count: int, random: Random) -> list[Stalled]:
        """Stop drivers, each for another time below the bound, and let them go on."""
        topologies = [self._topology(f"healthy-{random.randrange(10**9)}", unique=True) for _ in range(count)]
        before = self._last_call()
        with self._holding(topologies) as holders, self._timers(topologies) as timers:
            pids = {}
            while len(pids) < count:
                line = holders.next("holds")
                pids[line["driver"]] = line["pid"]
            timers.next("rescue", lambda line: line["idle"])
            stalls = sorted((random.uniform(0, self.bound_s - NEAR_S), pid) for pid in pids.values())
            for _, pid in stalls:
                os.kill(pid, signal.SIGSTOP)
            began_s = time.monotonic()
            for stall_s, pid in stalls:
                time.sleep(max(0.0, began_s + stall_s - time.monotonic()))
                os.kill(pid, signal.SIGCONT)
            for pid in pids.values():
                os.kill(pid, signal.SIGTERM)
            holders.end()
            timers.end()
        calls = self._calls(before)
        return [self._stalled(run, calls, holders) for run in pids]

    def _stalled(self, run: str, calls: Sequence[Any], holders: Processes) -> Stalled:
        renewed_s = _renewals(calls, run)
        gaps = [after - first for first, after in pairwise(renewed_s)]
        done = all(holders.said(event, driver=run) for event in ("change-made", "undo-made", "pay-made", "released"))
        return Stalled(run, max(gaps, default=0.0), bool(_takes(calls, f"rescue-of-{run}")), done)

    def _times(self, topology: Path, calls: Sequence[Any], rescues: Sequence[Line], acted: Line) -> Times:
        run = topology.stem
        renewed_s = _renewals(calls, run)[-1]
        flags = self._rig.lab.topology["stop_flag"]["tables"][TOKYO]
        opened = [
            one["at_s"] + one["seconds"]
            for one in calls
            if one["operation"] == "UpdateItem" and one["resource"] == flags and one["status"] == 200
        ][1:]  # the first one has closed it
        idle = [line["began_s"] for line in rescues if line["idle"] and line["began_s"] < acted["began_s"]]
        taken_s = _takes(calls, f"rescue-of-{run}")[0]
        return Times(
            taken_s=taken_s - renewed_s,
            serves_s=opened[0] - renewed_s,
            idle_s=max(idle) - renewed_s if idle else None,
            rescue_s=acted["began_s"] + acted["seconds"] - taken_s,
        )

    def _topology(self, name: str, unique: bool = False) -> Path:
        path = self._directory / f"{name}.yaml"
        coordination = {**self._rig.lab.topology["coordination"], "lease_s": LEASE_S}
        changes = _other_system(self._rig.lab.topology, name) if unique else {}
        self._rig.other_topology(path, coordination=coordination, **changes)
        return path

    @contextmanager
    def _holding(self, topologies: Sequence[Path], *options: str) -> Iterator[Processes]:
        arguments = (RULE, TOKYO, *options, *map(str, topologies))
        log = self._directory / f"{topologies[0].stem}-drivers.log"
        holders = Processes("tests.lease_race.holders", arguments, log)
        try:
            yield holders
        finally:
            holders.close()

    @contextmanager
    def _timers(self, topologies: Sequence[Path]) -> Iterator[Processes]:
        log = self._directory / f"{topologies[0].stem}-timers.log"
        home = self._directory / f"{topologies[0].stem}-home"
        empty = {VARIABLE: str(home), RUNS_VARIABLE: str(home / "runs")}
        arguments = (str(self._period_s), *map(str, topologies))
        timers = Processes("tests.lease_race.timers", arguments, log, **empty)
        try:
            yield timers
        finally:
            timers.close()

    def _last_call(self) -> int:
        return max((one["number"] for one in get(f"{self._rig.lab.url}/chaosdrill/calls")[1]["calls"]), default=0)

    def _calls(self, before: int) -> list[Any]:
        found: list[Any] = get(f"{self._rig.lab.url}/chaosdrill/calls?since={before}")[1]["calls"]
        return sorted((one for one in found if one["app"]), key=lambda one: float(one["at_s"]))

    def _is_home(self) -> bool:
        flags = self._rig.lab.topology["stop_flag"]["tables"]
        item = self._rig.lab.client("dynamodb", TOKYO).get_item(TableName=flags[TOKYO], Key={"PK": {"S": "stopFlag"}})
        return bool(item["Item"]["value"]["S"].lower() == "false")

    def _open(self, topology: Path) -> tuple[str, ...]:
        system = system_of({"topology": str(topology)})
        state = coordination_of(system).read(lease_keys(system.topology))
        return tuple(sorted({lease.run for lease in state.holding()} | {one.run for one in state.owed}))


_SIGNALS = {
    "killed": signal.SIGKILL,
    "stopped": signal.SIGSTOP,
    "cut off": signal.SIGUSR1,
    "cut off from the table": signal.SIGUSR1,
}


def _renewals(calls: Sequence[Any], run: str) -> list[float]:
    """List when the renewals of a run arrived, and its taking of the lease."""
    return [
        float(one["at_s"])
        for one in calls
        if one["app"] == run and one["status"] == 200 and f"run#{run}" in leading_keys(one) and _writes(one)
    ]


def _writes(call: Any) -> bool:
    return call["operation"] in ("UpdateItem", "TransactWriteItems")


def _takes(calls: Sequence[Any], app: str) -> list[float]:
    return [
        float(one["at_s"])
        for one in calls
        if one["app"] == app and one["operation"] == "TransactWriteItems" and one["status"] == 200
    ]


def _other_system(topology: dict[str, Any], name: str) -> dict[str, Any]:
    """Return changes of a topology after which it shares nothing with another one that a lease covers."""
    panel = next(iter(topology["routing"]["controls"].values())).partition(":controlpanel/")[2].partition("/")[0]
    digest = sha256(name.encode()).hexdigest()
    controls = {
        region: arn.replace(panel, digest[: len(panel)]) for region, arn in topology["routing"]["controls"].items()
    }
    tables = {region: f"{table}-{name}" for region, table in topology["stop_flag"]["tables"].items()}
    failover = {
        key: f"{value}-{name}" if key.endswith("prefix") else value for key, value in topology["failover"].items()
    }
    changed = {
        "domain": f"{name}.{topology['domain']}",
        "database": {**topology["database"], "global_cluster": name},
        "routing": {**topology["routing"], "controls": controls},
        "stop_flag": {**topology["stop_flag"], "tables": tables},
        "failover": failover,
        "client": {**topology["client"], "instance_id": f"i-{digest[:17]}"},
    }
    if "heartbeat" in topology:
        accounts = {**topology["heartbeat"]["accounts"], "prefix": name}
        changed["heartbeat"] = {**topology["heartbeat"], "accounts": accounts}
    return changed
