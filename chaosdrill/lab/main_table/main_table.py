"""The lab's main table, a DynamoDB global table: both regions accept writes, and each receives the other's later.

Two PostgreSQL servers subscribe to each other by logical replication, each through a delay line.
"""

import asyncio
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.main_table.schema import SCHEMA, subscription
from chaosdrill.lab.plan import LabPlan, RegionPlan
from chaosdrill.lab.postgres import PORT, DelayLine, Server, empty_cluster
from chaosdrill.lab.postgres.directories import removed
from chaosdrill.lab.strictness import LENIENT_ISOLATION

SUBSCRIPTION_TIMEOUT_S = 10.0
LINE_PORT = 5433  # on a region's storage address: the delay line to the other region's server


class MainTable:
    """Both regions' servers and the delay lines between them. Every lab starts with an empty table."""

    def __init__(self, plan: LabPlan) -> None:
        self._plan = plan
        self._servers = {region.name: _server(plan, region) for region in plan.regions}
        self._lines = {region.name: _line(plan, region) for region in plan.regions}
        self._held_by: set[str] = set()
        self._pauses: dict[str, tuple[asyncio.TimerHandle, asyncio.TimerHandle]] = {}

    async def start(self) -> None:
        """Start both regions with an empty table; returns when each receives the other's writes.

        :raises LabError: when a server does not start; no server is left running then.
        """
        try:
            await asyncio.gather(*map(self._prepare, self._servers.values()))
            for line in self._lines.values():
                await line.start()
            for region in self._plan.regions:  # sequentially: creating a slot waits for open transactions
                await self._subscribe(region)
            # set the lag afterwards: it would delay each of the round trips that connecting takes
            await asyncio.gather(*(server.until_followed(SUBSCRIPTION_TIMEOUT_S) for server in self._servers.values()))
            self.set_lag(self._plan.main_table_lag_s)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill both servers. Their data is not needed again."""
        await asyncio.gather(*(line.stop() for line in self._lines.values()))
        await asyncio.gather(*(server.kill() for server in self._servers.values()))

    def server(self, region: str) -> Server:
        """Return a region's server.

        :raises LabError: when the table has no such region.
        """
        if region not in self._servers:
            why = f"the main table has no replica in {region!r}, only in {', '.join(self._servers)}"
            raise LabError(why, code="region-unknown")
        return self._servers[region]

    @property
    def lag_s(self) -> float:
        """Replication lag between the regions, in seconds."""
        return self._lines[self._plan.home.name].lag_s

    @property
    def held(self) -> bool:
        """Whether replication is paused."""
        return self._lines[self._plan.home.name].held

    def set_lag(self, seconds: float) -> None:
        """Set the replication lag in both directions, in seconds.

        :raises LabError: when negative.
        """
        if seconds < 0:
            raise LabError(
                f"a replication lag of {seconds:g} s is not possible: give 0 or more", code="argument-invalid"
            )
        for line in self._lines.values():
            line.set_lag(seconds)

    def line_into(self, region: str) -> DelayLine:
        """Return the delay line by which a region receives the other's writes."""
        return self._lines[region]

    def hold(self, by: str = "") -> None:
        """Pause replication in both directions until :meth:`release`; both regions continue to accept writes.

        :param by: name of the holder; replication continues when no holder is left.
        """
        self._held_by.add(by)
        for line in self._lines.values():
            line.hold()

    def release(self, by: str = "") -> None:
        """Continue replication, unless another holder pauses it, too."""
        self._held_by.discard(by)
        if not self._held_by:
            for line in self._lines.values():
                line.release()

    def pause(self, id: str, after_s: float, duration_s: float) -> None:
        """Pause replication for a limited time; :meth:`resume` ends it earlier.

        :param after_s: when it begins, in seconds from now.
        :param duration_s: when it ends, in seconds from now.
        """
        timer = asyncio.get_running_loop().call_later
        self._pauses[id] = (timer(after_s, self.hold, id), timer(duration_s, self.resume, id))

    def resume(self, id: str) -> None:
        """End a pause, or cancel one that has not begun; has no effect when it has ended."""
        for timer in self._pauses.pop(id, ()):
            timer.cancel()
        self.release(id)

    async def latencies_s(self) -> dict[str, float | None]:
        """Return how long each region's last writes took to reach the other region, as PostgreSQL measures it.

        :returns: seconds by the region of the writes; None while there are no writes or none arrive.
        :source: https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
        """
        measured = await asyncio.gather(*(self._latency_s(server) for server in self._servers.values()))
        return dict(zip(self._servers, measured, strict=True))

    async def status(self) -> dict[str, Any]:
        """Read the servers' state.

        :returns: ``{"lag_s": s, "held": bool, "regions": {region: {"up": bool, "waiting_bytes": int or None}}}``;
            ``waiting_bytes`` is the size of the region's log that the other region has not confirmed, None when the
            region is down.
        """
        answers = await asyncio.gather(*(self._waiting_bytes(server) for server in self._servers.values()))
        waiting = dict(zip(self._servers, answers, strict=True))
        regions = {region: {"up": size is not None, "waiting_bytes": size} for region, size in waiting.items()}
        return {"lag_s": self.lag_s, "held": self.held, "regions": regions}

    async def _prepare(self, server: Server) -> None:
        await server.kill()
        await removed(server.data)
        await empty_cluster(self._plan.directory.parent / "cache", server.data)
        await server.start()
        await server.execute(SCHEMA)

    async def _subscribe(self, region: RegionPlan) -> None:
        host, port = self._lines[region.name].listen
        source = f"host={host} port={port} user=app dbname=postgres"
        await self._servers[region.name].execute(subscription(f"into_{region.city}", source))

    async def _latency_s(self, server: Server) -> float | None:
        if self.held:  # PostgreSQL would still return the last one
            return None
        query = "select extract(epoch from max(replay_lag))::float8 from pg_stat_replication"
        try:
            latency_s: float | None = await server.ask(query)
        except LabError:
            return None
        return latency_s

    async def _waiting_bytes(self, server: Server) -> int | None:
        query = "select (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint from pg_replication_slots"
        try:
            size: int | None = await server.ask(query)
        except LabError:
            return None
        return size


def _server(plan: LabPlan, region: RegionPlan) -> Server:
    name = f"main-table-{region.city}"
    return Server(
        name=name,
        address=region.main_table_address,
        storage_address=_storage_address(plan, region),
        data=plan.directory / "data" / name,
        log=plan.directory / "logs" / f"{name}.log",
        settings={
            "wal_level": "logical",
            "max_logical_replication_workers": 2,
            "max_sync_workers_per_subscription": 0,
            # a delayed replication is not broken: only a closed connection is, and that is detected at once
            "wal_sender_timeout": 0,
            "wal_receiver_timeout": 0,
        },
    )


def _line(plan: LabPlan, region: RegionPlan) -> DelayLine:
    other = plan.standby if region == plan.home else plan.home
    listen, target = (_storage_address(plan, one) for one in (region, other))
    return DelayLine(listen=(listen, LINE_PORT), target=(target, PORT))


def _storage_address(plan: LabPlan, region: RegionPlan) -> str:
    return region.main_table_address if LENIENT_ISOLATION in plan.lenient else region.main_table_storage_address
