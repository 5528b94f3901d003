"""After a switchover the old writer still accepts writes, like the new one."""

from typing import Any

from chaosdrill.lab.database.rejoin import rejoin
from chaosdrill.lab.misbehaviours.api import page
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Operation

WITHIN_S = 10.0
WRITERS = "/chaosdrill/writers"


async def begin(lab: Lab) -> ActiveBreak:
    """Promote the old writer, too, after the new one; DescribeGlobalClusters shows both."""
    old: list[str] = []

    def around(switchover: Operation) -> Operation:
        async def answer(to_region: str) -> Any:
            left = await lab.database.writer()
            done = await switchover(to_region=to_region)
            if left:
                await lab.database.server(left).promote(WITHIN_S)
                old.append(left)
                await page(lab.plan, "PUT", WRITERS, {"regions": [left]})
            return done

        return answer

    undo = lab.put_before("database.switchover", around)

    async def mend() -> str:
        undo()
        await page(lab.plan, "PUT", WRITERS, {"regions": []})
        writer = await lab.database.writer()
        if not old or old[-1] == writer or writer is None:
            return ""
        server = lab.database.server(old[-1])
        await server.kill()
        await rejoin(server, lab.database.server(writer))
        await server.until_following(WITHIN_S)
        return f"what {old[-1]} wrote by itself is gone"

    return ActiveBreak(mend)


BREAK = Break(
    "two-writers",
    "the switchover succeeds; the old writer takes writes, too",
    "pg_promote on the old writer; DescribeGlobalClusters shows two writers",
    begin,
)
