"""The lab's two networks: the cloud with every server's address, and the bastion with the client's, joined by veth."""

import asyncio

from pyroute2 import IPRoute

from chaosdrill.lab.namespaces import enter_network_namespace, new_network_namespace
from chaosdrill.lab.plan import LabPlan

_CLOUD_END, _BASTION_END = "bastion0", "eth0"


def build(plan: LabPlan) -> int:
    """Set up the calling thread's network namespace as the cloud and a new one as the bastion.

    :returns: the descriptor of the bastion's network namespace.
    :raises OSError: when the kernel refuses a namespace.
    """
    bastion = new_network_namespace()
    with IPRoute() as cloud:
        loopback = cloud.link_lookup(ifname="lo")[0]
        cloud.link("set", index=loopback, state="up")
        for address in _cloud_addresses(plan):
            cloud.addr("add", index=loopback, address=address, prefixlen=32)
        cloud.link("add", ifname=_CLOUD_END, kind="veth", peer={"ifname": _BASTION_END, "net_ns_fd": bastion})
        index = cloud.link_lookup(ifname=_CLOUD_END)[0]
        cloud.link("set", index=index, state="up")
        cloud.addr("add", index=index, address=plan.client_gateway, prefixlen=24)
    return bastion


def build_bastion(plan: LabPlan, bastion: int) -> None:
    """Configure the client host's address and its route to the cloud. Moves the calling thread into the bastion."""
    enter_network_namespace(bastion)
    with IPRoute() as client:
        client.link("set", index=client.link_lookup(ifname="lo")[0], state="up")
        index = client.link_lookup(ifname=_BASTION_END)[0]
        client.addr("add", index=index, address=plan.client_address, prefixlen=24)
        client.link("set", index=index, state="up")
        client.route("add", dst="default", gateway=plan.client_gateway)


def _cloud_addresses(plan: LabPlan) -> list[str]:
    addresses = [plan.services_address]
    for region in plan.regions:
        addresses += region.addresses
    return addresses


async def answers(address: str, port: int, timeout_s: float = 0.5) -> bool:
    """Return whether a TCP connection to the address succeeds within the timeout."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
