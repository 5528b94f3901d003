"""A switchover takes ten times as long, and there is no writer during it."""

import asyncio
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Operation, Option

LONGEST_S = 9.0  # the lab's own switchover waits 10 s for its standby


async def begin(lab: Lab, seconds: float) -> ActiveBreak:
    """Pause the standby's replay for that long: the old writer is already stopped, and the new one cannot be
    promoted.
    """
    if seconds > LONGEST_S:
        raise LabError(f"seconds {seconds:g}: at most {LONGEST_S:g}, after which the switchover would fail")

    def around(switchover: Operation) -> Operation:
        async def answer(to_region: str) -> Any:
            standby = lab.database.server(to_region)
            await standby.ask("select pg_wal_replay_pause()::text")
            lab.in_background(_resume(standby, seconds))
            return await switchover(to_region=to_region)

        return answer

    undo = lab.put_before("database.switchover", around)

    async def mend() -> str:
        undo()
        return ""

    return ActiveBreak(mend)


async def _resume(standby: Any, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await standby.ask("select pg_wal_replay_resume()::text")


BREAK = Break(
    "switchover-slow",
    "the switchover succeeds, ten times slower than usual",
    "pg_wal_replay_pause on the server to be promoted",
    begin,
    (Option("seconds", 5.0, "How much longer it takes, real seconds, at most 9."),),
)
