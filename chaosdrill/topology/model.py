"""What a topology says, as frozen values. Maps are keyed by region name, home first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Aws:
    """How the account is reached; what is not said here comes from the configuration, then from the environment."""

    profile: str | None = None
    config_file: Path | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True)
class Regions:
    """The fixed roles: the region that serves at rest, and the one that stands by."""

    home: str
    standby: str


@dataclass(frozen=True)
class Dns:
    """How the domain is looked up.

    :param nameserver: asked by this machine instead of its own resolver; None: its own.
    :param seen_from: ``client``: the domain is looked up on the client host, as in a private zone it must be; ``here``:
        on this machine.
    """

    nameserver: str | None = None
    port: int = 53
    seen_from: str = "here"


@dataclass(frozen=True)
class ClientHost:
    """The host where clients are (the bastion), reached by SSM; and how load comes from it.

    :param run: ``attach``: a Locust runs at ``url``, as seen from here; ``local``: the drill starts its own here;
        ``ssm``: on the client host, delivered over ``s3`` (bucket and prefix) where that is given.
    """

    instance_id: str
    region: str
    run: str = "attach"
    url: str = ""
    s3: str = ""


@dataclass(frozen=True)
class LoadBalancer:
    """A region's entry: its own addresses (by ARN) or the range they lie in (CIDR); at least one is given."""

    arn: str | None = None
    cidr: str | None = None


@dataclass(frozen=True)
class StopFlag:
    """The item that closes the application: table by region, the item's key, and the attribute with its value."""

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
    """Where the pair of state machines lives and how their names begin."""

    region: str
    failover_prefix: str
    failback_prefix: str


@dataclass(frozen=True)
class PacketLoss:
    """What else is known about the packet-loss fault: a command that prints how many packets it has dropped."""

    drop_counter_command: str | None = None


@dataclass(frozen=True)
class Accounts:
    """Accounts that exist for drills only, so that they may be written to: ``count`` of them, numbered from 0."""

    prefix: str
    count: int


@dataclass(frozen=True)
class Heartbeat:
    """What the heartbeat sends, and where it runs: ``ssm``: on the client host; ``local``: here; as the topology says
    it, else where the load is started (a Locust that is attached to is taken to be on the client host).

    :param rate_per_s: beats a second, of each operation; None: 20 reads, and 2 writes, which become up to 20 around a
        transition.
    :param deadline_s: an answer that takes longer is none, in seconds.
    :param region_header: the response header that names the region that served.
    :param read: a request that changes nothing; as are the other operations, as the topology writes it.
    :param write: one that writes; None: nothing is written. ``settled``: how a write is read back; ``balance``: how an
        account's balance is.
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
    """The DynamoDB table where drills of this system coordinate: an ordinary table in a third region.

    :param lease_s: seconds after which a drill that no longer renews its lease may be taken over.
    """

    table: str
    region: str
    lease_s: float = 60.0


@dataclass(frozen=True)
class Topology:
    """The parts of the system that is drilled, and the accounts that may be touched.

    :param path: the file it was read from.
    :param target: ``lab`` or ``aws``.
    :param accounts: AWS account numbers; a change in any other account is refused.
    :param domain: the name that clients resolve.
    :param main_table: the DynamoDB global table that the application accepts writes into; None: not named.
    :param coordination: the table of leases and owed undos; None: they are kept in files of the machine that drills.
    :param time_scale: by what the system's own waits are multiplied (1 on aws).
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
        """The response header that names the region that served."""
        return Heartbeat.region_header if self.heartbeat is None else self.heartbeat.region_header

    @property
    def region_names(self) -> tuple[str, str]:
        """Both regions, home first."""
        return (self.regions.home, self.regions.standby)

    def other_region(self, region: str) -> str:
        """:returns: the region that is not ``region``."""
        home, standby = self.region_names
        return standby if region == home else home
