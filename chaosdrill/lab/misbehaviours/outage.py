"""A complete outage of a known duration, which calibrates the measurement of outages."""

import time

from chaosdrill.lab import packet_loss
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option

NAME = "outage"
TICK_NS = 10_000_000  # the kernel expires a set's element at its next tick: 10 ms at 100 Hz, the lowest rate


async def begin(lab: Lab, seconds: float) -> ActiveBreak:
    """Make the client host drop every packet from both regions' load balancers; the kernel begins and ends the loss."""
    addresses = [address for region in lab.plan.regions for address in region.load_balancer_addresses]
    loss = packet_loss.LossRule(NAME, 100, tuple(addresses), "ingress", seconds)
    after_ns, before_ns = await lab.client.in_bastion(packet_loss.inject, loss)
    begin_ns = (after_ns + before_ns) // 2
    end_ns = begin_ns + round(seconds * 1e9)
    unsure_ns = (before_ns - after_ns) // 2
    facts = {"begin_ns": begin_ns, "end_ns": end_ns, "begin_uncertainty_ns": unsure_ns}
    facts["uncertainty_ns"] = unsure_ns + TICK_NS

    async def mend() -> str:
        await lab.client.heal(NAME)
        return "" if time.time_ns() > end_ns else "it ended earlier than planned"

    said = (
        f"from {begin_ns} (± {unsure_ns / 1e6:.2f} ms) to {end_ns} (at most {TICK_NS / 1e6:g} ms later) ns since the "
        "epoch, UTC: every packet from the load balancers to the client host is dropped"
    )
    return ActiveBreak(mend, said, facts, lasts_s=seconds)


BREAK = Break(
    "outage",
    "no lie, but a measure: for exactly --seconds nothing arrives from either region",
    "nftables: elements of a set, which the kernel lets expire",
    begin,
    (Option("seconds", 5.0, "How long, real seconds."),),
)
