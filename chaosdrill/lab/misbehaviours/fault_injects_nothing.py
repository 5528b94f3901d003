"""FIS reports that the fault is running, and no packet is lost."""

from chaosdrill.lab import packet_loss
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab


async def begin(lab: Lab) -> ActiveBreak:
    """Insert a rule that lets packets pass before the one that drops them."""
    await lab.client.in_bastion(packet_loss.spare_all)

    async def mend() -> str:
        await lab.client.in_bastion(packet_loss.spare_none)
        return ""

    return ActiveBreak(mend)


BREAK = Break(
    "fault-injects-nothing",
    "FIS says that the packet loss runs; every packet arrives",
    "nftables: an accept rule before the one that drops",
    begin,
)
