"""One worker of a distributed load stops sending."""

import asyncio
import os
import signal

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab
from chaosdrill.lab.misbehaviours.moments import WHEN, at

WORKERS = 2
WITHIN_S, LOOK_EVERY_S = 20.0, 0.05


async def begin(lab: Lab, when: str) -> ActiveBreak:
    """Restart the lab's Locust with two workers, and stop one of them."""
    await lab.load.restart(workers=WORKERS)
    async with asyncio.timeout(WITHIN_S):
        while len(lab.load.workers()) < WORKERS:
            await asyncio.sleep(LOOK_EVERY_S)
    stopped: list[int] = []

    async def stop() -> None:
        for worker in lab.load.workers()[:1]:
            os.kill(worker, signal.SIGSTOP)
            stopped.append(worker)

    wait_no_more = await at(lab, when, stop)

    async def mend() -> str:
        wait_no_more()
        for pid in set(stopped) & set(lab.load.workers()):
            os.kill(pid, signal.SIGCONT)
        await lab.load.restart(workers=0)
        return ""

    return ActiveBreak(mend, said=f"Locust was started again with {WORKERS} workers: a test that ran there has ended")


BREAK = Break(
    "worker-stops",
    "one of the load generator's two workers is there, and sends nothing more",
    "Locust with --processes 2; SIGSTOP to one of them",
    begin,
    (WHEN,),
)
