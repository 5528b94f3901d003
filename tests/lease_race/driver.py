"""Small drivers with the real lease client: each takes the lease of one system again and again, and changes it.

    python -m tests.lease_race.driver TOPOLOGY RULE REGION [--drivers N] [--seed N] [--unguarded]

All of them are forks of one process. Each run owes an undo, disables an EventBridge rule several times, enables it,
pays, and releases; one that finds an expired lease takes it over as a rescue does, and repairs. The boot clock of each
driver is off by days and runs 1 % too fast or too slow. Every driver writes what it does to stdout, as JSON lines, and
ends after its run when stdin is closed. ``--unguarded``: without the lease guard, so that the checker has something to
find.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NoReturn

from chaosdrill.aws import System, lease_guard, system_of
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.coordination.interface import Lease, SystemState
from chaosdrill.errors import LeaseEnded, Refused
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rescue.lease import free_in_s, live_leases, stale_leases, take_lease

CHANGES = 4  # forward calls of a run
PAUSE_S = 0.2  # the most between two of them
POLL_S = (1.0, 4.0)  # how often a driver reads whether the lease is free: from, to
DRIFT = 0.01
OFF_S = 5 * 86_400
APP = "AWS_SDK_UA_APP_ID"


def skew_clocks(random: Random) -> float:
    """Let the boot clock of this process be off, and run at another speed.

    :returns: the speed.
    """
    real, real_ns, clock = time.clock_gettime, time.clock_gettime_ns, time.CLOCK_BOOTTIME
    began_s, off_s, speed = real(clock), random.uniform(0, OFF_S), 1 + random.uniform(-DRIFT, DRIFT)

    def skewed_s(clk: int) -> float:
        return off_s + began_s + (real(clk) - began_s) * speed if clk == clock else real(clk)

    skewed: Any = time
    skewed.clock_gettime = skewed_s
    skewed.clock_gettime_ns = lambda clk: int(skewed_s(clk) * 1e9) if clk == clock else real_ns(clk)
    return speed


class Driver:
    """One driver.

    :param name: its name, which its calls bear in the endpoint's log.
    """

    def __init__(self, name: str, topology: str, rule: str, region: str, random: Random) -> None:
        self._name, self._random = name, random
        self._system: System = system_of({"topology": topology})
        self._coordination = coordination_of(self._system)
        self._keys = lease_keys(self._system.topology)
        self._events, self._rule = self._system.client("events", region), rule
        self.ends = threading.Event()

    def run_until_ended(self) -> None:
        """Take the lease, again and again."""
        number = 0
        while not self.ends.is_set():
            number += 1
            try:
                self._one(f"{self._name}-{number}")
            except Refused:  # another one was faster
                continue
            except FAILURES as error:
                self._say("failed", why=f"{type(error).__name__}: {error}")
                self.ends.wait(self._random.uniform(*POLL_S))  # an endpoint that is overloaded must recover
        self._say("ended")

    def _one(self, run: str) -> None:
        state = self._free_state()
        if state is None:
            return
        stale, owing = stale_leases(state), {one.run for one in state.owed}
        with hold_lease(
            self._coordination,
            lambda: self._take(run, stale, owing),
            on_stop=lambda stop: None,
            on_lost=lambda why: self._say("lost", why=why),
        ) as kept:
            self._say("took", run=kept.run, over=[lease.run for lease in stale])
            if stale or owing:
                self._repair(kept.run, state)
            else:
                self._change(kept.lease)
        self._say("released", run=kept.run)

    def _free_state(self) -> SystemState | None:
        """Wait until the lease can be taken.

        :returns: what coordination says then; None when the driver is to end.
        """
        while not self.ends.is_set():
            state = self._coordination.read(self._keys)
            if not live_leases(state) and (left_s := free_in_s(state)) <= 0:
                return state
            self.ends.wait(self._random.uniform(*POLL_S) if live_leases(state) else left_s)
        return None

    def _take(self, run: str, stale: list[Lease], owing: set[str]) -> Lease:
        if stale or owing:
            return take_lease(self._system, self._coordination, stale, owing)
        return self._coordination.acquire(lease_request(self._system, run, "drill", self._keys))

    def _repair(self, run: str, state: SystemState) -> None:
        """Reverse what the stale runs did, and pay it."""
        with lease_guard.undoing():
            self._enable_if_disabled()
        for one in state.owed:
            self._coordination.pay(one.run, one.number, run)
        self._say("repaired", run=run)

    def _change(self, lease: Lease) -> None:
        undo = OwedUndo(
            "disable", "disable_automatic_failover", "system", "enable_automatic_failover", "", {"rule": self._rule}
        )
        self._coordination.owe(lease, 1, undo)
        try:
            for number in range(CHANGES):
                self._say("changing", run=lease.run, number=number)
                self._events.disable_rule(Name=self._rule)
                self._say("changed", run=lease.run)
                time.sleep(self._random.uniform(0, PAUSE_S))
        except LeaseEnded as error:
            self._say("refused", run=lease.run, why=str(error))
        try:
            with lease_guard.undoing():
                self._enable_if_disabled()
        except LeaseEnded as error:
            self._say("undo-refused", run=lease.run, why=str(error))
        else:
            self._coordination.pay(lease.run, 1, lease.run)

    def _enable_if_disabled(self) -> None:
        if self._events.describe_rule(Name=self._rule)["State"] != "ENABLED":
            self._events.enable_rule(Name=self._rule)

    def _say(self, event: str, **facts: Any) -> None:
        line = json.dumps({"driver": self._name, "pid": os.getpid(), "event": event, **facts})
        os.write(sys.stdout.fileno(), f"{line}\n".encode())  # one write: lines of several processes do not mix


@contextmanager
def unguarded(lease: Any) -> Iterator[None]:
    """Stand in for :func:`lease_guard.guarded_by`: no change depends on the lease."""
    yield


def _be_driver(options: argparse.Namespace, number: int) -> NoReturn:
    random = Random(options.seed * 1000 + number)
    name = f"driver-{number}"
    os.environ[APP] = name
    skew_clocks(random)
    if options.unguarded:
        lease_guard.guarded_by = unguarded
    driver = Driver(name, options.topology, options.rule, options.region, random)
    signal.signal(signal.SIGTERM, lambda *_: driver.ends.set())
    driver.run_until_ended()
    os._exit(0)


def main() -> None:
    """Fork the drivers, and end them when stdin is closed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topology")
    parser.add_argument("rule")
    parser.add_argument("region")
    parser.add_argument("--drivers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unguarded", action="store_true")
    options = parser.parse_args()
    pids = []
    for number in range(1, options.drivers + 1):
        if pid := os.fork():
            pids.append(pid)
        else:
            _be_driver(options, number)
    sys.stdin.read()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
