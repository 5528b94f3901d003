"""How far the standby is behind the writer, measured on both servers."""

import asyncio
import time

from chaosdrill.errors import LabError
from chaosdrill.lab.postgres import Server

CATCHES_UP_WITHIN_S = 0.25
LOOK_EVERY_S = 0.01


async def lag_s(primary: Server, standby: Server) -> float:
    """How old what the standby has replayed is, compared with what the primary has written by now.

    A standby that keeps up is told by the time it takes to get where the primary was. One that does not is as far
    behind as its last replayed commit is old: PostgreSQL's own ``replay_lag`` stands still when nothing comes back.

    :returns: seconds.
    :raises LabError: when one of them does not answer, or the standby has replayed nothing that it could be told by.
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
        raise LabError(f"{standby.name} has replayed no commit since its start, so nobody knows how far it is behind")
    return max(spent, float(behind))
