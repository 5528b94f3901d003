"""FIS reports that the fault has ended, and packets are still lost."""

from typing import Any

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Operation

LASTS_S = 3600.0


async def begin(lab: Lab) -> ActiveBreak:
    """Make every packet loss last an hour, regardless of the requested duration, and not end when it is healed."""
    injected: set[str] = set()

    def inject_longer(inject: Operation) -> Operation:
        async def answer(**fault: Any) -> Any:
            injected.add(fault["id"])
            return await inject(**{**fault, "duration_s": LASTS_S})

        return answer

    def heal_not(heal: Operation) -> Operation:
        async def answer(id: str) -> Any:
            return None if id in injected else await heal(id=id)

        return answer

    undo = [lab.put_before("packet_loss.inject", inject_longer), lab.put_before("packet_loss.heal", heal_not)]

    async def mend() -> str:
        for one in reversed(undo):
            one()
        for name in injected:
            await lab.client.heal(name)
        return ""

    return ActiveBreak(mend)


BREAK = Break(
    "fault-never-healed",
    "FIS says that the packet loss was stopped or has ended; packets are still lost",
    "the injector's nftables elements live for an hour, and heal does nothing",
    begin,
)
