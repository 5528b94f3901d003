"""The domain's addresses as clients resolve them; with a private hosted zone, only the client host can resolve them.

While the heartbeat runs on the client host, its last lookup is used: it resolves the domain once per TTL. Otherwise one
command every few seconds resolves it there, shared by all readers of the region facts.
"""

import time
from urllib.parse import urlsplit

from chaosdrill.aws import System
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.client import resolve
from chaosdrill.client.heartbeat import running_heartbeat
from chaosdrill.client.resolvers import CLIENT, HERE

EVERY_S = 5.0  # scaled by the topology's time scale
LOOKUP_WITHIN_S = 5.0
OLDEST_S = 15.0  # heartbeat records are fetched every 5 s; older ones are not used


def domain_addresses(system: System) -> tuple[str, ...]:
    """Resolve the topology's domain from the place that the topology names.

    :returns: its IPv4 addresses, sorted; empty when it has none. Addresses resolved on the client host may be some
        seconds old.
    :raises CannotSee: when no name server responds.
    """
    if not is_seen_by_clients(system):
        return resolve.resolve(system, system.topology.domain, HERE).addresses
    known = _of_heartbeat(system)
    return _of_client_host(system) if known is None else known


def is_seen_by_clients(system: System) -> bool:
    """Return whether the topology says that the domain is resolved on the client host."""
    return system.topology.dns is not None and system.topology.dns.seen_from == "client"


def _of_heartbeat(system: System) -> tuple[str, ...] | None:
    heartbeat = running_heartbeat(system.topology.path)
    if heartbeat is None or heartbeat.where != "ssm":
        return None
    if urlsplit(str(heartbeat.settings["url"])).hostname != system.topology.domain:
        return None
    return heartbeat.kept.last_lookup(OLDEST_S)


def _of_client_host(system: System) -> tuple[str, ...]:
    topology = system.topology

    def look_up() -> resolve.Resolution:
        return resolve.resolve_on_client(system, topology.domain, CLIENT, LOOKUP_WITHIN_S)

    since_s = time.monotonic() - EVERY_S * topology.time_scale
    answer: resolve.Resolution = paced(("domain on the client host", str(topology.path)), look_up, since_s).value
    return answer.addresses
