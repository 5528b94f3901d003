"""The topology file, which names the parts of the system under drill."""

from chaosdrill.topology.loading import load_topology, topology_of
from chaosdrill.topology.model import (
    Accounts,
    Aws,
    ClientHost,
    ClusterEndpoint,
    Database,
    Dns,
    Failover,
    Heartbeat,
    LoadBalancer,
    PacketLoss,
    Regions,
    Routing,
    StopFlag,
    Topology,
)

__all__ = [
    "Accounts",
    "Aws",
    "ClientHost",
    "ClusterEndpoint",
    "Database",
    "Dns",
    "Failover",
    "Heartbeat",
    "LoadBalancer",
    "PacketLoss",
    "Regions",
    "Routing",
    "StopFlag",
    "Topology",
    "load_topology",
    "topology_of",
]
