"""After a switchover the writer changes back."""

import asyncio
from typing import Any

import yaml

from chaosdrill.lab.misbehaviours.api import call_query
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Operation

AFTER_REFERENCE_S = 30.0


async def begin(lab: Lab) -> ActiveBreak:
    """Request the reverse switchover from RDS once, some time after the next switchover; servers and API change as
    usual.
    """
    flips: list[asyncio.Task[None]] = []

    def around(switchover: Operation) -> Operation:
        async def answer(to_region: str) -> Any:
            left = await lab.database.writer()
            done = await switchover(to_region=to_region)
            if left and not flips:
                flips.append(lab.in_background(_flip_back(lab, left)))
            return done

        return answer

    undo = lab.put_before("database.switchover", around)

    async def mend() -> str:
        undo()
        for flip in flips:
            flip.cancel()
        writer = await lab.database.writer()
        return "" if writer == lab.serving else f"the writer is {writer}: fail over or back as usual"

    return ActiveBreak(mend)


async def _flip_back(lab: Lab, region: str) -> None:
    await asyncio.sleep(AFTER_REFERENCE_S * lab.plan.scale)
    database = yaml.safe_load(lab.plan.topology_file.read_text())["database"]
    named = {
        "GlobalClusterIdentifier": database["global_cluster"],
        "TargetDbClusterIdentifier": database["clusters"][region],
    }
    await call_query(lab.plan, "rds", region, "SwitchoverGlobalCluster", **named)


BREAK = Break(
    "writer-flips-back",
    f"the switchover succeeds; {AFTER_REFERENCE_S:g} s (scaled) later the writer is the old one again",
    "RDS's SwitchoverGlobalCluster, called again",
    begin,
)
