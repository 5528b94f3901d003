"""Replication is paused for a known time; an unplanned failover during the pause permanently loses the paused
writes.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Operation, Option

LOOK_EVERY_S = 0.2
_REMAINING = "delete from transactions where written_in = $1 and id <> all($2::uuid[])"
_SKIP = "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn())::text from pg_replication_slots"
_DISCONNECT = "select pg_terminate_backend(active_pid) from pg_replication_slots where active"


async def begin(lab: Lab, store: str, seconds: float) -> ActiveBreak:
    """Pause one store's replication from now on."""
    release = await (_hold_database(lab) if store == "database" else _hold_main_table(lab))
    timer = lab.in_background(_later(seconds, release))

    async def mend() -> str:
        timer.cancel()
        release()
        return ""

    return ActiveBreak(mend, f"for {seconds:g} s nothing of the {store} is replicated", lasts_s=seconds)


async def _later(seconds: float, release: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    release()


async def _hold_database(lab: Lab) -> Callable[[], None]:
    """Stop the process that sends the log. (A standby that only stops replaying receives the log, and loses
    nothing.)
    """
    server = lab.database.server(await lab.database.writer() or lab.serving)
    sender = await server.ask("select pid from pg_stat_replication where state = 'streaming'")
    if sender is None:
        raise LabError(f"no standby follows {server.name} now: there is nothing to hold back")
    os.kill(sender, signal.SIGSTOP)

    def release() -> None:
        if sender in server.processes():
            with suppress(ProcessLookupError):  # it has ended in the meantime
                os.kill(sender, signal.SIGCONT)

    return release


async def _hold_main_table(lab: Lab) -> Callable[[], None]:
    lab.main_table.hold()
    held_from = await lab.database.writer() or lab.serving

    def around(failover: Operation) -> Operation:
        async def answer(to_region: str) -> Any:
            done = await failover(to_region=to_region)
            if to_region != held_from:
                await lab.main_table.line_into(to_region).stop()  # the delayed writes are lost
                lab.in_background(_lose(lab, held_from, to_region))
            return done

        return answer

    undo = lab.put_before("database.failover", around)
    released: list[bool] = []

    def release() -> None:
        if not released:
            released.append(True)
            undo()
            lab.main_table.release()

    return release


async def _lose(lab: Lab, lost: str, kept: str) -> None:
    """Delete the writes that ``lost`` accepted and ``kept`` never received from ``lost``, too, before it rejoins."""
    old, new = lab.main_table.server(lost), lab.main_table.server(kept)
    while True:
        try:
            async with new.session() as session:
                known = [row["id"] for row in await session.fetch("select id from transactions")]
            async with old.session() as session:
                await session.execute(_REMAINING, lost, known)
                await session.execute(_DISCONNECT)
                await session.execute(_SKIP)
            break
        except LabError:  # isolated, or the slot is still in use
            await asyncio.sleep(LOOK_EVERY_S)
    await lab.main_table.line_into(kept).start()


BREAK = Break(
    "hold-replication",
    "no lie, but a measure: nothing is replicated for --seconds; an unplanned failover meanwhile loses that",
    "main table: its delay lines hold; database: SIGSTOP to PostgreSQL's walsender",
    begin,
    (
        Option("store", "database", "Which store.", ("main-table", "database")),
        Option("seconds", 5.0, "How long, real seconds."),
    ),
)
