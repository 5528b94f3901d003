"""Drivers that hold the lease of a system each, and can be killed, stopped and cut off while they do.

    python -m tests.lease_race.holders RULE REGION [--close-home] [--cut-off all|table] TOPOLOGY...

All are forks of one process. Each owes an undo, with ``--close-home`` it closes the application in the home region, and
says so; then it holds the lease until SIGTERM, changes something once more, reverses what it did, pays, and releases.
SIGUSR1 cuts it off from AWS, or from the table of leases. What it does is written to stdout, as JSON lines.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from botocore.exceptions import EndpointConnectionError

from chaosdrill.aws import System, dynamodb, lease_guard, system_of
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.coordination import coordination_of, hold_lease, lease_request
from chaosdrill.coordination.interface import Lease
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.registry import lease_keys
from tests.lease_race.driver import APP

POLL_S = 0.1


class Holder:
    """One driver.

    :param name: its run, which its calls bear in the endpoint's log.
    """

    def __init__(self, name: str, topology: str, options: argparse.Namespace) -> None:
        self._name, self._rule, self._closes = name, options.rule, options.close_home
        self._system: System = system_of({"topology": topology})
        self._home = self._system.topology.regions.home
        self._coordination = coordination_of(self._system)
        self._events = self._system.client("events", options.region)
        table = self._system.topology.coordination
        assert table is not None
        clients = [self._system.coordination_client(table.region)]
        if options.cut_off == "all":
            clients += [self._events, self._system.client("dynamodb", self._home)]
        self.ends, self._is_lost, self.is_cut_off = threading.Event(), threading.Event(), False
        for client in clients:
            client.meta.events.register_first("before-send", self._refuse)

    def _refuse(self, request: Any, **_: Any) -> None:
        if self.is_cut_off:
            raise EndpointConnectionError(endpoint_url=request.url)

    def run(self) -> None:
        """Hold the lease until the end."""
        request = lease_request(self._system, self._name, "drill", lease_keys(self._system.topology))
        with hold_lease(
            self._coordination,
            lambda: self._coordination.acquire(request),
            on_stop=lambda stop: None,
            on_lost=self._lose,
        ) as kept:
            self._change(kept.lease)
            self._say("holds")
            while not (self.ends.is_set() or self._is_lost.is_set()):
                time.sleep(POLL_S)
            if not self._is_lost.is_set():
                self._try("change", lambda: self._events.disable_rule(Name=self._rule))
            with lease_guard.undoing():
                self._reverse()
        self._say("released")

    def _lose(self, why: str) -> None:
        self._say("lost", why=why)
        self._is_lost.set()

    def _change(self, lease: Lease) -> None:
        began = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        arguments = {"region": self._home, "value": True}
        undo = OwedUndo("close home", "set_stop_flag", "system", "set_stop_flag", began, arguments)
        self._coordination.owe(lease, 1, replace(undo, part="stop_flag", role="gate", number=1))
        self._set_closed(True)

    def _reverse(self) -> None:
        self._try("undo", lambda: self._set_closed(False))
        self._try("pay", lambda: self._coordination.pay(self._name, 1, self._name))

    def _set_closed(self, is_closed: bool) -> None:
        if self._closes and dynamodb.stop_flag(self._system, self._home) is not is_closed:
            dynamodb.write_stop_flag(self._system, self._home, is_closed, expected=not is_closed)

    def _try(self, what: str, call: Any) -> None:
        try:
            call()
        except FAILURES as error:
            self._say(f"{what}-failed", code=getattr(error, "code", ""), why=str(error))
        else:
            self._say(f"{what}-made")

    def _say(self, event: str, **facts: Any) -> None:
        line = json.dumps({"driver": self._name, "pid": os.getpid(), "event": event, **facts})
        os.write(sys.stdout.fileno(), f"{line}\n".encode())  # one write: lines of several processes do not mix


def _be_holder(name: str, topology: str, options: argparse.Namespace) -> NoReturn:
    os.environ[APP] = name
    holder = Holder(name, topology, options)
    signal.signal(signal.SIGTERM, lambda *_: holder.ends.set())
    signal.signal(signal.SIGUSR1, lambda *_: setattr(holder, "is_cut_off", True))
    try:
        holder.run()
    except FAILURES as error:
        os.write(sys.stderr.fileno(), f"{name}: {type(error).__name__}: {error}\n".encode())
    os._exit(0)


def main() -> None:
    """Fork the drivers, and wait until they have ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rule")
    parser.add_argument("region")
    parser.add_argument("--close-home", action="store_true")
    parser.add_argument("--cut-off", choices=("all", "table"), default="all")
    parser.add_argument("topologies", nargs="+")
    options = parser.parse_args()
    pids = []
    for topology in options.topologies:
        if pid := os.fork():
            pids.append(pid)
        else:
            _be_holder(Path(topology).stem, topology, options)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
