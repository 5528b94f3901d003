"""The lab's first process: creates the networks, starts the parts, serves the control socket, ends with its leases.

:mod:`chaosdrill.lab.host` runs it as ``python -m chaosdrill.lab.supervisor PLAN.json …`` inside the new namespaces.
When it ends for any reason, the kernel ends all other processes in them.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.errors import DrillError, LabError
from chaosdrill.lab import client_view, control_socket, database_truth, network
from chaosdrill.lab.client import LabClientHost
from chaosdrill.lab.cloud import Cloud
from chaosdrill.lab.database import GlobalDatabase
from chaosdrill.lab.load_generator import LabLocust
from chaosdrill.lab.main_table import MainTable
from chaosdrill.lab.memory import memory_mb
from chaosdrill.lab.misbehaviours.in_force import InForce
from chaosdrill.lab.misbehaviours.model import Lab
from chaosdrill.lab.namespaces import furnish, mount_tmpfs
from chaosdrill.lab.parts import LabPart, ServiceParts
from chaosdrill.lab.plan import LabPlan

LEASE_GRACE_S = 20.0


@dataclass(frozen=True)
class Sockets:
    """Descriptors of the sockets that were opened outside, on 127.0.0.1 of the host."""

    aws: int
    dns_udp: int
    dns_tcp: int
    load: int


class Supervisor:
    """The process that owns the lab.

    :param plan: the lab's plan.
    :param sockets: sockets that serve the host.
    :param locustfile: load script of the load generator; empty: the reference application's.
    :param detached: keep running when no lease is held.
    :param requested_at: when the lab was requested, on the machine's monotonic clock, in seconds.
    :param breaks: what to break on purpose before it is ready, as ``{"name", "options"}``.
    """

    def __init__(
        self,
        plan: LabPlan,
        sockets: Sockets,
        locustfile: str,
        detached: bool,
        requested_at: float,
        breaks: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.plan = plan
        self._begin_with = breaks
        self.operations = self._operations()  # breaks replace some of them
        self.detached = detached
        self._sockets = sockets
        self._locustfile = locustfile
        self._leases: dict[int, str] = {}  # holder by connection
        self._ended = asyncio.Event()
        self._requested_at = requested_at
        self._ready_s: float | None = None
        self._failure: str | None = None
        self._changing_applications = asyncio.Lock()
        self.parts: dict[str, LabPart] = {}

    async def run(self) -> None:
        """Build the lab, then serve until it has to end."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._ended.set)
        server = await control_socket.serve(self.plan.control_socket, self.operations, self._lease_closed)
        async with server:
            building = asyncio.create_task(self._build())
            leases = asyncio.create_task(self._watch_leases())
            await self._ended.wait()
            building.cancel()
            leases.cancel()

    async def _build(self) -> None:
        try:
            await self._start_parts()
            await asyncio.gather(*(part.wait_until_healthy() for part in self.parts.values()))
            for one in self._begin_with:
                await self.breaks.begin(**one)
            self._ready_s = time.monotonic() - self._requested_at
        except DrillError as error:
            self._failure = str(error)
        except Exception as error:  # noqa: BLE001 - the boundary: reported to the starter; the log has the traceback
            traceback.print_exc()
            self._failure = f"{type(error).__name__}: {error}"

    async def _start_parts(self) -> None:
        plan = self.plan
        furnish(plan.directory / "etc", plan.services_address)
        data = plan.directory / "data"
        data.mkdir(exist_ok=True)
        mount_tmpfs(data)  # every lab starts with about 100 MB of new data, which a busy disk takes seconds to write
        self.cloud = Cloud()
        network_fd, view_fd = (
            await asyncio.to_thread(network.build, plan),
            await asyncio.to_thread(client_view.build, plan),
        )
        self.client = LabClientHost(plan, network_fd, view_fd)
        self.database = GlobalDatabase(plan)
        self.main_table = MainTable(plan)
        self.load = LabLocust(plan, self.client.network_fd, self._sockets.load)
        parts = (self.database, self.main_table, self.client, self.load)
        self.breaks = InForce(Lab(plan, *parts, operations=self.operations))
        services = ServiceParts(plan)
        self.parts = {
            "aws": services.aws(self._sockets.aws, self._sockets.dns_udp, self._sockets.dns_tcp),
            "dns": services.dns(),
            "load": LabPart("load", lambda: self._start_load(), self._check_load),
            "database": LabPart("database", self.database.start, self._check_database),
            "main-table": LabPart("main-table", self.main_table.start, self._check_main_table),
            "client": LabPart("client", self.client.prepare, self._check_client),
            **{f"application-{region.city}": services.application(region) for region in plan.regions},
        }
        stores = {name: self.parts[name] for name in ("database", "main-table")}
        async with asyncio.TaskGroup() as group:
            for name, part in self.parts.items():
                if not name.startswith("application") and name not in stores:
                    group.create_task(part.start())
            await asyncio.gather(*(part.start() for part in stores.values()))
            for region in plan.regions:  # the applications need the stores' tables
                group.create_task(self.parts[f"application-{region.city}"].start())

    async def _start_load(self) -> None:
        await self.load.start(self._locustfile)

    async def _check_load(self) -> None:
        self.load.check()

    async def _check_client(self) -> None:
        await self.client.packet_loss()

    async def _check_database(self) -> None:
        _all_up(await self.database.status(), "database")

    async def _check_main_table(self) -> None:
        _all_up(await self.main_table.status(), "main table")

    def _operations(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        return {
            "readiness": self._readiness,
            "status": self._status,
            "lost": self._lost,
            "lease": self._lease,
            "detach": self._detach,
            "down": self._down,
            "load_generator.start": lambda locustfile: self.load.start(locustfile),
            "database.switchover": lambda to_region: _timed(self.database.switchover(to_region)),
            "database.failover": lambda to_region: _timed(self.database.failover(to_region)),
            "database.rejoined": lambda: _timed(self.database.rejoined()),
            "database.status": lambda: self.database.status(),
            "database.lag": lambda: self.database.lag(),
            "main_table.lag": self._main_table_lag,
            "main_table.latencies": lambda: self.main_table.latencies_s(),
            "main_table.pause": self._pause_main_table,
            "main_table.resume": self._resume_main_table,
            "packet_loss.inject": lambda **fault: self.client.inject(**fault),
            "packet_loss.heal": lambda id: self.client.heal(id),
            "packet_loss.status": lambda: self.client.packet_loss(),
            "application.run": self._run_application,
            "network.isolate": lambda id, networks, duration_s: self.cloud.isolate(id, networks, duration_s),
            "network.reconnect": lambda id: self.cloud.reconnect(id),
            "network.isolated": lambda: self.cloud.isolated(),
            "break": lambda name, options: self.breaks.begin(name, options),
            "breaks.clear": lambda: self.breaks.clear(),
            "breaks": self._breaks,
            "truth": lambda region="": database_truth.truth(self.database, self.main_table, region),
            "client.run": lambda command, timeout_s: self.client.run(command, timeout_s),
        }

    async def _readiness(self) -> dict[str, Any]:
        waiting_for = [f"{name} ({part.trouble})" for name, part in self.parts.items() if not part.healthy]
        return {"ready": self._ready_s is not None, "failure": self._failure, "waiting_for": waiting_for}

    async def _status(self) -> dict[str, Any]:
        if self._ready_s is not None:
            await asyncio.gather(*(part.look() for part in self.parts.values()))
        return {
            "ready": self._ready_s is not None and all(part.healthy for part in self.parts.values()),
            "ready_s": self._ready_s,
            "failure": self._failure,
            "scale": self.plan.scale,
            "lenient": list(self.plan.lenient),
            "detached": self.detached,
            "leases": len(self._leases),
            "holders": self._holders(),
            "up_s": round(time.monotonic() - self._requested_at, 1),
            "memory_mb": memory_mb(self.plan.directory / "data"),
            "network_fd": self.client.network_fd if hasattr(self, "client") else None,
            "view_fd": self.client.view_fd if hasattr(self, "client") else None,
            "broken": await self._breaks(),
            "parts": {name: part.describe() for name, part in self.parts.items()},
        }

    async def _breaks(self) -> list[dict[str, Any]]:
        return self.breaks.described() if hasattr(self, "breaks") else []

    async def _lost(self) -> dict[str, str]:
        """Return why the lab cannot be drilled any more, without health checks, which take time."""
        why = self.parts["aws"].why_ended() if "aws" in self.parts else ""
        return {"why": why and f"the lab's AWS endpoint has died; without it nothing can be read or undone: {why}"}

    async def _main_table_lag(self, seconds: float | None = None) -> dict[str, float]:
        if seconds is not None:
            self.main_table.set_lag(seconds)
        return {"lag_s": self.main_table.lag_s}

    async def _pause_main_table(self, id: str, after_s: float, duration_s: float) -> None:
        self.main_table.pause(id, after_s, duration_s)

    async def _resume_main_table(self, id: str) -> None:
        self.main_table.resume(id)

    async def _run_application(self, region: str, running: bool) -> dict[str, bool]:
        """Start or stop a region's application server; returns when it responds, or has ended."""
        part = self.parts[f"application-{self.plan.region(region).city}"]
        async with self._changing_applications:
            if not running:
                await part.stop("stopped: a desired count of its ECS services is 0")
            elif part.stopped:
                await part.start()
                await part.wait_until_healthy()
        return {"running": running}

    async def _lease(self, connection: int, holder: str = "") -> dict[str, int]:
        self._leases[connection] = holder
        return {"leases": len(self._leases)}

    def _holders(self) -> list[str]:
        return sorted(holder or "a process that gave no name" for holder in self._leases.values())

    def _lease_closed(self, connection: int) -> None:
        if connection in self._leases:
            del self._leases[connection]
            if not self._leases and not self.detached:
                self._ended.set()

    async def _watch_leases(self) -> None:
        """End a lab without a lease: its starter died before it could take one."""
        await asyncio.sleep(LEASE_GRACE_S)
        if not self._leases and not self.detached:
            sys.stderr.write("no lease was taken in time: the lab ends\n")
            self._ended.set()

    async def _detach(self) -> dict[str, bool]:
        self.detached = True
        return {"detached": True}

    async def _down(self, force: bool = False) -> dict[str, Any]:
        if self._leases and not force:
            return {"ending": False, "holders": self._holders()}
        asyncio.get_running_loop().call_later(0.05, self._ended.set)  # after the response was sent
        return {"ending": True}


async def _timed(change: Awaitable[Any]) -> dict[str, float]:
    started = time.monotonic()
    await change
    return {"seconds": round(time.monotonic() - started, 3)}


def _all_up(status: dict[str, Any], what: str) -> None:
    down = [region for region, facts in status["regions"].items() if not facts["up"]]
    if down:
        raise LabError(f"{what}: down in {', '.join(down)}")


async def _supervise(arguments: argparse.Namespace) -> None:
    await Supervisor(
        LabPlan.load(arguments.plan),
        Sockets(**arguments.sockets),
        arguments.locustfile,
        arguments.detached,
        arguments.requested_at,
        arguments.breaks,
    ).run()


def main() -> None:
    """Run the supervisor's command line; :mod:`chaosdrill.lab.host` is its only user."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("--sockets", required=True, type=json.loads)
    parser.add_argument("--locustfile", default="")
    parser.add_argument("--breaks", default=(), type=json.loads)
    parser.add_argument("--detached", action="store_true")
    parser.add_argument("--requested-at", type=float, required=True)
    arguments = parser.parse_args()
    os.umask(0o077)  # for every file of the lab and every program that it starts
    asyncio.run(_supervise(arguments))
    # the kernel ends what is left in the namespaces with this process, so an orderly exit would only take time
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
