"""Replication lag of the standby, measured on both servers."""

import asyncio
import time

from chaosdrill.errors import LabError
from chaosdrill.lab.postgres import Server

CATCHES_UP_WITHIN_S = 0.25
LOOK_EVERY_S = 0.01


async def lag_s(primary: Server, standby: Server) -> float:
    """Return the age of the standby's last replayed change relative to the primary's current position.

    For a standby that keeps up, it is the time until the standby reaches the primary's position. For one that does not,
    it is the age of its last replayed commit: PostgreSQL's own ``replay_lag`` does not change while no response
    arrives.

    :returns: seconds.
    :raises LabError: when a server does not respond, or the standby has not replayed any commit.
    :source: https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
    """
    position = await primary.ask("select pg_current_wal_lsn()::text")
    began = time.monotonic()
    async with standby.session() as session:
        while (spent := time.monotonic() - began) < CATCHES_UP_WITHIN_S:
            if await session.fetchval("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position):
                return spent
            await asyncio.sleep(LOOK_EVERY_S)
        age = "select extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
        behind = await session.fetchval(age)
    if behind is None:
        raise LabError(f"{standby.name} has replayed no commit since its start, so its lag is unknown")
    return max(spent, float(behind))
