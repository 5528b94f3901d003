"""The drilled system in one value: its topology and the clients that reach it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws.guard import account_of, refuse_other_accounts
from chaosdrill.aws.reach import Reach, reach_of
from chaosdrill.aws.sessions import client, coordination_client, signing_keys
from chaosdrill.topology import Topology, topology_of


@dataclass(frozen=True)
class System:
    """What activities pass around instead of configuration and secrets."""

    topology: Topology
    reach: Reach

    def client(self, service: str, region: str, endpoint_url: str | None = None) -> Any:
        """:returns: a boto3 client, see :func:`chaosdrill.aws.sessions.client`."""
        return client(self.reach, service, region, endpoint_url)

    def coordination_client(self, region: str) -> Any:
        """:returns: a DynamoDB client, see :func:`chaosdrill.aws.sessions.coordination_client`."""
        return coordination_client(self.reach, region)

    def account(self) -> str:
        """:returns: the account number that the credentials belong to."""
        return account_of(signing_keys(self.reach), lambda: self.client("sts", self.topology.client.region))

    def refuse_other_accounts(self, what: str) -> None:
        """:raises Refused: when the topology does not allow the account; every change is checked so, this is earlier.

        :param what: the first change that is about to be made.
        """
        sts_region = self.topology.client.region
        refuse_other_accounts(signing_keys(self.reach), lambda: self.client("sts", sts_region), what)


def system_of(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None = None) -> System:
    """:returns: the system that the configuration's topology names.

    :raises BadInput: when there is none, or it is not right.
    """
    topology = topology_of(configuration)
    return System(topology, reach_of(topology, configuration, secrets))
