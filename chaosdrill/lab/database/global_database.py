"""The lab's Aurora global database: a primary in one region, a physical standby in the other.

``switchover`` corresponds to Aurora's SwitchoverGlobalCluster (no data loss), ``failover`` to its FailoverGlobalCluster
with data loss allowed. A region whose server is the standby refuses writes, as Aurora's secondary cluster does.
"""

import asyncio
import logging
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.database.lag import lag_s
from chaosdrill.lab.database.rejoin import rejoin
from chaosdrill.lab.database.schema import SCHEMA
from chaosdrill.lab.plan import LabPlan, RegionPlan
from chaosdrill.lab.postgres import Server, empty_cluster
from chaosdrill.lab.postgres.binaries import control_data
from chaosdrill.lab.postgres.directories import removed
from chaosdrill.lab.strictness import LENIENT_ISOLATION

CLEAN_STOP_TIMEOUT_S = 10.0
PROMOTION_TIMEOUT_S = 10.0
REPLICATION_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class GlobalDatabase:
    """The two servers and their roles.

    Every lab starts with empty data and the plan's first region as the writer, like the rest of the lab (flags, routing
    controls, the AWS side).
    """

    def __init__(self, plan: LabPlan) -> None:
        self._plan = plan
        self._servers = {region.name: _server(plan, region) for region in plan.regions}
        self._writer = plan.first.name
        self._changing = asyncio.Lock()
        self._rejoining: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start both regions with an empty bank; returns when the standby is replicating.

        :raises LabError: when a server does not start; no server is left running then.
        """
        try:
            self._writer = self._plan.first.name
            await asyncio.gather(*map(self._prepare, self._servers.values()))
            primary = self._servers[self._writer]
            (standby,) = (server for server in self._servers.values() if server is not primary)
            await asyncio.gather(primary.start(), standby.start(standby_of=primary.conninfo))
            await primary.execute(SCHEMA)
            await standby.until_following(REPLICATION_TIMEOUT_S)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill both servers. Their data is not needed again."""
        await self._forget_rejoining()
        await asyncio.gather(*(server.kill() for server in self._servers.values()))

    def server(self, region: str) -> Server:
        """Return a region's server.

        :raises LabError: when the database has no such region.
        """
        if region not in self._servers:
            why = f"the global database has no cluster in {region!r}, only in {', '.join(self._servers)}"
            raise LabError(why, code="region-unknown")
        return self._servers[region]

    async def switchover(self, to_region: str) -> None:
        """Make ``to_region`` the writer without data loss; both regions must be up.

        If a step before the promotion of the new writer fails, the old writer continues.

        :raises LabError: when that region is already the writer, does not replicate, or did not receive everything.
        :undo: :meth:`switchover` to the other region.
        """
        async with self._changing:
            old, new = self._sides(to_region)
            await self.rejoined()
            await self._check_both_up(old, new)
            try:
                await self._stop_with_everything_sent(old, new)
            except BaseException:
                await old.kill()
                await old.start()
                raise
            await new.promote(PROMOTION_TIMEOUT_S)
            self._writer = to_region
            await old.start(standby_of=new.conninfo)
            await old.until_following(REPLICATION_TIMEOUT_S)

    async def failover(self, to_region: str) -> None:
        """Make ``to_region`` the writer without the old writer's cooperation; writes that were not replicated are lost.

        Returns when the new writer accepts writes and the old one, alive, hanging or dead, can accept none. The old one
        then rejoins in the background: see :meth:`rejoined`.

        :raises LabError: when that region is already the writer or its server is down.
        :undo: :meth:`switchover` to the other region; lost data stays lost.
        """
        async with self._changing:
            old, new = self._sides(to_region)
            if await new.role() != "standby":
                why = f"cannot fail over to {to_region}: {new.name} is down; see its log at {new.log}"
                raise LabError(why, code="lab-database-down")
            await self._forget_rejoining()
            await new.promote(PROMOTION_TIMEOUT_S)
            self._writer = to_region
            await old.kill()
            self._rejoining = asyncio.create_task(self._rejoin(old, new))

    async def rejoined(self) -> None:
        """Wait until the old writer replicates from the new one after a :meth:`failover`.

        :raises LabError: when it cannot.
        """
        if self._rejoining is None:
            return
        try:
            await asyncio.shield(self._rejoining)
        except LabError as error:  # the region may have been isolated at that time
            log.warning("%s; reading again", error)
            (old,) = (server for region, server in self._servers.items() if region != self._writer)
            await old.until_following(REPLICATION_TIMEOUT_S)

    async def status(self) -> dict[str, Any]:
        """Read the servers' roles.

        :returns: ``{"writer": region or None, "regions": {region: {"up": bool, "role": "primary|standby|down"}}}``
        """
        answers = await asyncio.gather(*(server.role() for server in self._servers.values()))
        roles = dict(zip(self._servers, answers, strict=True))
        return {
            "writer": self._writer if roles[self._writer] == "primary" else None,
            "regions": {region: {"up": role != "down", "role": role} for region, role in roles.items()},
        }

    async def lag(self) -> dict[str, Any]:
        """Measure the replication lag of the standby region.

        :returns: ``{"region": the standby's, "source_region": the writer's, "lag_s": seconds}``
        :raises LabError: when one of them is down, or changing its role.
        """
        source = self._writer
        region = next(name for name in self._servers if name != source)
        if await self._servers[region].role() != "standby":
            raise LabError(f"{self._servers[region].name} does not follow {self._servers[source].name} now")
        return {
            "region": region,
            "source_region": source,
            "lag_s": await lag_s(self._servers[source], self._servers[region]),
        }

    async def writer(self) -> str | None:
        """Return the region that accepts writes; None when none does."""
        writer: str | None = (await self.status())["writer"]
        return writer

    # -- steps ----------------------------------------------------------------------------------------------------

    async def _prepare(self, server: Server) -> None:
        await server.kill()
        await removed(server.data)
        await empty_cluster(self._plan.directory.parent / "cache", server.data)

    def _sides(self, to_region: str) -> tuple[Server, Server]:
        new = self.server(to_region)
        if to_region == self._writer:
            raise LabError(f"{to_region} is the writer of the global database already", code="writer-already")
        return self.server(self._writer), new

    async def _check_both_up(self, old: Server, new: Server) -> None:
        if await old.role() != "primary":
            why = f"cannot switch over: {old.name} is down. Use a failover (it may lose data)"
            raise LabError(why, code="lab-database-down")
        if await new.role() != "standby":
            why = f"cannot switch over: {new.name} is down; see its log at {new.log}"
            raise LabError(why, code="lab-database-down")
        await new.until_following(REPLICATION_TIMEOUT_S)

    async def _stop_with_everything_sent(self, old: Server, new: Server) -> None:
        """Stop the old writer cleanly, which sends everything to a connected standby, and check that it arrived."""
        await old.stop(CLEAN_STOP_TIMEOUT_S)
        end = await control_data(old.data)
        if end["Database cluster state"] != "shut down":
            raise LabError(f"cannot switch over: {old.name} ended `{end['Database cluster state']}`")
        await new.until_replayed(end["Latest checkpoint location"], REPLICATION_TIMEOUT_S)

    async def _rejoin(self, old: Server, new: Server) -> None:
        await rejoin(old, new)
        await old.until_following(REPLICATION_TIMEOUT_S)
        log.info("%s follows %s again", old.name, new.name)

    async def _forget_rejoining(self) -> None:
        if self._rejoining is not None:
            self._rejoining.cancel()
            await asyncio.gather(self._rejoining, return_exceptions=True)


def _server(plan: LabPlan, region: RegionPlan) -> Server:
    name = f"database-{region.city}"
    is_cut_off = LENIENT_ISOLATION in plan.lenient
    return Server(
        name=name,
        address=region.database_address,
        storage_address=region.database_address if is_cut_off else region.database_storage_address,
        data=plan.directory / "data" / name,
        log=plan.directory / "logs" / f"{name}.log",
        settings={
            "wal_level": "replica",
            "hot_standby": "on",
            # a delayed replication is not broken: only a closed connection is, and that is detected at once
            "wal_sender_timeout": 0,
            "wal_receiver_timeout": 0,
        },
    )
