"""Names, addresses, ports and scaled times of a lab, in one frozen value that every part reads.

Addresses, names and times are those of the reference system; ``scale`` multiplies its wait times, but not TCP's timers.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaosdrill.lab.access import Access, KeyPair

ACCOUNT = "123456789012"
DOMAIN = "api.example.com"
MAIN_TABLE = "MainTable-chaosdrill"  # a global table: all replicas have the same name
COORDINATION_TABLE = "chaosdrill-coordination"
COORDINATION_REGION = "us-west-2"  # neither of the application's regions
OBSERVER = "us-west-2"  # the second region from which the home region is monitored
DESIRED_COUNT = 2  # of each of the application's services
DEFAULT_SCALE = 0.2
SMALLEST_SCALE = 1 / 60  # DNS TTLs are whole seconds: 60 s x scale must be at least 1
LARGEST_SCALE = 10.0
# seconds until DescribeExecution and ListExecutions return a change, from and to: AWS documents no value, and delays
# of seconds were observed
EXECUTION_LAG_REFERENCE_S = (1.0, 3.0)
PAUSE_BEGINS_REFERENCE_S = 240.0  # until a pause of the main table's replication begins; AWS: up to 5 minutes


@dataclass(frozen=True)
class RegionPlan:
    """One region of the reference system, and the addresses of its parts inside the lab.

    :param database_storage_address: address of the database's server for replication and for the lab itself. It is in
        no subnet, as Aurora's storage replication does not pass through the VPC.
    :param main_table_storage_address: the same for the main table's server.
    """

    name: str
    city: str
    cidr: str
    load_balancer_addresses: tuple[str, str]
    database_address: str
    main_table_address: str
    database_storage_address: str
    main_table_storage_address: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses of its parts."""
        stores = (self.database_address, self.main_table_address)
        storage = (self.database_storage_address, self.main_table_storage_address)
        return (*self.load_balancer_addresses, *stores, *storage)

    @property
    def flag_table(self) -> str:
        """Name of the DynamoDB table with this region's stop flag."""
        return f"{self.city.capitalize()}-ParamTable-chaosdrill"


HOME = RegionPlan(
    name="ap-northeast-1",
    city="tokyo",
    cidr="10.100.0.0/16",
    load_balancer_addresses=("10.100.5.165", "10.100.9.84"),
    database_address="10.100.1.10",
    main_table_address="10.100.2.10",
    database_storage_address="10.200.1.10",
    main_table_storage_address="10.200.2.10",
)
STANDBY = RegionPlan(
    name="ap-northeast-3",
    city="osaka",
    cidr="10.101.0.0/16",
    load_balancer_addresses=("10.101.4.37", "10.101.11.178"),
    database_address="10.101.1.10",
    main_table_address="10.101.2.10",
    database_storage_address="10.201.1.10",
    main_table_storage_address="10.201.2.10",
)


@dataclass(frozen=True)
class Settlement:
    """Settlement speed of a worker.

    :param at_once: number of concurrent settlements.
    :param cost_s: duration of a settlement by kind of transaction, in seconds, in addition to the stores' time.
    """

    at_once: int
    cost_s: Mapping[str, float]


@dataclass(frozen=True)
class LabPlan:
    """The values on which the lab's parts must agree.

    :param directory: the lab's directory (control socket, data, logs, topology).
    :param scale: factor of the reference system's wait times (1 = real time); at least 1/60.
    :param aws_port: port of the AWS endpoint, on 127.0.0.1 of the host and inside the cloud namespace.
    :param dns_port: port of DNS on 127.0.0.1 of the host, UDP and TCP (inside it is port 53 of ``services_address``);
        load balancers' names resolve there, the domain only if its zone is public.
    :param load_port: port of Locust's page on 127.0.0.1 of the host.
    :param starts_in: the region that serves when the lab starts: open, routed to, and the writer.
    :param lenient: the ways in which the lab is more lenient than AWS: names of ``strictness``; empty: none.
    :param resync_reference_s: how long the database's old primary is at least rebuilt after an unplanned failover.
    :param lease_s: duration of a drill's lease without renewal, in seconds. It is not scaled: a request may take
        several seconds at any scale.
    :param access: the lab's keys and its token.
    """

    directory: Path
    scale: float
    aws_port: int
    dns_port: int
    load_port: int
    starts_in: str = HOME.name
    lenient: tuple[str, ...] = ()
    home: RegionPlan = HOME
    standby: RegionPlan = STANDBY
    domain: str = DOMAIN
    account: str = ACCOUNT
    services_address: str = "10.100.0.2"
    client_address: str = "10.100.16.10"
    client_gateway: str = "10.100.16.1"
    observer_cidr: str = "10.102.0.0/16"
    flag_cache_reference_s: float = 10.0
    ttl_reference_s: int = 60
    settle_reference_s: float = 1.0
    deposit_reference_s: float = 0.05
    withdraw_reference_s: float = 0.09
    main_table_lag_reference_s: float = 0.5
    resync_reference_s: float = 600.0
    lease_s: float = 30.0
    access: Access = field(default_factory=Access.random)

    @property
    def regions(self) -> tuple[RegionPlan, RegionPlan]:
        """Both regions, home first."""
        return (self.home, self.standby)

    @property
    def first(self) -> RegionPlan:
        """The region that serves when the lab starts."""
        return self.region(self.starts_in)

    def region(self, name: str) -> RegionPlan:
        """Return the region of a name.

        :raises KeyError: when the lab has no region of that name.
        """
        return {region.name: region for region in self.regions}[name]

    @property
    def flag_cache_s(self) -> float:
        """How long the application caches its stop flag, in seconds."""
        return self.flag_cache_reference_s * self.scale

    @property
    def ttl_s(self) -> int:
        """TTL of the domain's records in whole seconds, at least 1."""
        return max(1, round(self.ttl_reference_s * self.scale))

    @property
    def settle_s(self) -> float:
        """Interval at which the application's worker reads pending transactions, in seconds."""
        return self.settle_reference_s * self.scale

    @property
    def settlement(self) -> "Settlement":
        """Settlement speed of the application's worker."""
        if "parallel-worker" in self.lenient:
            return Settlement(4, {})
        costs = {"deposit": self.deposit_reference_s, "withdraw": self.withdraw_reference_s}
        return Settlement(1, {kind: cost_s * self.scale for kind, cost_s in costs.items()})

    @property
    def main_table_lag_s(self) -> float:
        """Initial replication lag of the main table, in seconds."""
        return self.main_table_lag_reference_s * self.scale

    @property
    def control_socket(self) -> Path:
        """Path of the supervisor's control socket (see ``wire``)."""
        return self.directory / "control.sock"

    @property
    def topology_file(self) -> Path:
        """Path of the lab's own topology."""
        return self.directory / "topology.yaml"

    @property
    def client_python(self) -> Path:
        """Directory on the PYTHONPATH of every Python on the client host; empty, unless the host's clock is broken on
        purpose.
        """
        return self.directory / "python"

    @property
    def client_programs(self) -> Path:
        """Directory of the client host's own programs, first in its PATH, with the stand-in for ``tc``."""
        return self.directory / "programs"

    @property
    def aws_config_file(self) -> Path:
        """Path of the AWS config file with the profile ``chaosdrill-lab``."""
        return self.directory / "aws" / "config"

    @property
    def aws_url_on_host(self) -> str:
        """URL of the AWS endpoint on the host; it also works inside the cloud namespace."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def aws_url_inside(self) -> str:
        """URL of the AWS endpoint in the cloud and the bastion."""
        return f"http://{self.services_address}:{self.aws_port}"

    def save(self, path: Path) -> None:
        """Write the plan as JSON, readable by this user only: it contains the lab's keys."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)  # in case the file existed with other permissions
            file.write(json.dumps(dataclasses.asdict(self), default=str, indent=1))

    @classmethod
    def load(cls, path: Path) -> "LabPlan":
        """Read a plan written by :meth:`save`."""
        raw: dict[str, Any] = json.loads(path.read_text())
        raw["directory"] = Path(raw["directory"])
        raw["lenient"] = tuple(raw["lenient"])
        access = raw["access"]
        raw["access"] = Access(KeyPair(**access["user"]), KeyPair(**access["parts"]), access["token"])
        for role in ("home", "standby"):
            region = raw[role]
            region["load_balancer_addresses"] = tuple(region["load_balancer_addresses"])
            raw[role] = RegionPlan(**region)
        return cls(**raw)
