"""The contents of a topology, as frozen values. Mappings are keyed by region name, home first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Aws:
    """Access to the account; values that are None come from the configuration, then from the environment."""

    profile: str | None = None
    config_file: Path | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True)
class Regions:
    """The fixed roles of the regions: home serves normally, standby takes over."""

    home: str
    standby: str


@dataclass(frozen=True)
class Dns:
    """Resolution of the domain.

    :param nameserver: the name server that this machine queries; None: its own resolver.
    :param seen_from: ``client``: the domain is resolved on the client host, which is required for a private zone;
        ``here``: on this machine.
    """

    nameserver: str | None = None
    port: int = 53
    seen_from: str = "here"


@dataclass(frozen=True)
class ClientHost:
    """The host of the clients (the bastion), managed by SSM, and the source of the load.

    :param run: ``attach``: a running Locust at ``url``, as seen from this machine; ``local``: the drill starts its own
        on this machine; ``ssm``: on the client host, delivered over ``s3`` (bucket and prefix) if that is set.
    """

    instance_id: str
    region: str
    run: str = "attach"
    url: str = ""
    s3: str = ""


@dataclass(frozen=True)
class LoadBalancer:
    """A region's load balancer, by ARN, or by the CIDR range of its addresses; at least one is set."""

    arn: str | None = None
    cidr: str | None = None


@dataclass(frozen=True)
class StopFlag:
    """The item that closes the application: table by region, the item's key, and the attribute of its value."""

    tables: Mapping[str, str]
    key: Mapping[str, str]
    attribute: str


@dataclass(frozen=True)
class ClusterEndpoint:
    """One of the regional endpoints of the ARC cluster."""

    region: str
    url: str


@dataclass(frozen=True)
class Routing:
    """Routing control ARN by region, and the cluster's endpoints."""

    controls: Mapping[str, str]
    cluster_endpoints: tuple[ClusterEndpoint, ...]


@dataclass(frozen=True)
class Database:
    """The Aurora global cluster and its cluster ARN by region."""

    global_cluster: str
    clusters: Mapping[str, str]


@dataclass(frozen=True)
class Failover:
    """The region of the two state machines, and the prefixes of their names."""

    region: str
    failover_prefix: str
    failback_prefix: str


@dataclass(frozen=True)
class PacketLoss:
    """Further settings of the packet-loss fault: a command that prints how many packets it has dropped."""

    drop_counter_command: str | None = None


@dataclass(frozen=True)
class Accounts:
    """Accounts that exist for drills only and may be written to: ``count`` of them, numbered from 0."""

    prefix: str
    count: int


@dataclass(frozen=True)
class Heartbeat:
    """The heartbeat's requests, and where it runs.

    :param read: a request that changes nothing, in the form of the topology file, like the other operations.
    :param run: ``ssm``: on the client host; ``local``: on this machine. The default is where the load is started (an
        attached Locust is assumed to run on the client host).
    :param rate_per_s: beats per second of each operation; None: 20 reads, and 2 writes, which become up to 20 around a
        transition.
    :param deadline_s: a response that takes longer counts as missing, in seconds.
    :param region_header: the response header that names the region that served the request.
    :param write: a request that writes; None: nothing is written.
    :param settled: a request that reads a write back.
    :param balance: a request that reads an account's balance.
    :param accounts: the only accounts that are written to.
    """

    read: Mapping[str, Any]
    run: str = "ssm"
    rate_per_s: float | None = None
    deadline_s: float = 1.0
    region_header: str = "X-Region"
    write: Mapping[str, Any] | None = None
    settled: Mapping[str, Any] | None = None
    balance: Mapping[str, Any] | None = None
    accounts: Accounts | None = None


@dataclass(frozen=True)
class CoordinationTable:
    """The DynamoDB table by which drills of this system coordinate: a regional table in a third region.

    :param lease_s: seconds after which a drill that no longer renews its lease may be taken over.
    """

    table: str
    region: str
    lease_s: float = 60.0


@dataclass(frozen=True)
class Topology:
    """The parts of the system under drill, and the accounts that may be changed.

    :param path: path of the file.
    :param target: ``lab`` or ``aws``.
    :param accounts: AWS account numbers; a change in any other account is refused.
    :param domain: the name that clients resolve.
    :param main_table: the DynamoDB global table in which the application accepts writes; None: not named.
    :param coordination: the table of leases and owed undos; None: they are stored in files on the machine that runs the
        drill.
    :param time_scale: factor of the system's own wait times (1 on aws).
    """

    path: Path
    target: str
    accounts: tuple[str, ...]
    regions: Regions
    domain: str
    client: ClientHost
    load_balancers: Mapping[str, LoadBalancer]
    stop_flag: StopFlag
    routing: Routing
    database: Database
    failover: Failover
    aws: Aws = field(default_factory=Aws)
    dns: Dns | None = None
    packet_loss: PacketLoss = field(default_factory=PacketLoss)
    heartbeat: Heartbeat | None = None
    main_table: str | None = None
    coordination: CoordinationTable | None = None
    time_scale: float = 1.0

    @property
    def region_header(self) -> str:
        """The response header that names the region that served the request."""
        return Heartbeat.region_header if self.heartbeat is None else self.heartbeat.region_header

    @property
    def region_names(self) -> tuple[str, str]:
        """Both region names, home first."""
        return (self.regions.home, self.regions.standby)

    def other_region(self, region: str) -> str:
        """Return the region that is not ``region``."""
        home, standby = self.region_names
        return standby if region == home else home
