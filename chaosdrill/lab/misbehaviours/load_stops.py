"""The load generator stops sending while its process remains."""

import signal

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab
from chaosdrill.lab.misbehaviours.moments import WHEN, at


async def begin(lab: Lab, when: str) -> ActiveBreak:
    """Stop the lab's Locust, including its workers; its sockets stay open."""

    async def stop() -> None:
        lab.load.signal(signal.SIGSTOP)

    wait_no_more = await at(lab, when, stop)

    async def mend() -> str:
        wait_no_more()
        lab.load.signal(signal.SIGCONT)
        return ""

    return ActiveBreak(mend)


BREAK = Break(
    "load-stops",
    "the load generator is there, and sends nothing more",
    "SIGSTOP to the lab's Locust",
    begin,
    (WHEN,),
)
