"""The drilled system in one value: its topology, and the access to its account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws.access import Reach, reach_of
from chaosdrill.aws.guard import account_of, refuse_other_accounts
from chaosdrill.aws.sessions import client, coordination_client, signing_keys
from chaosdrill.topology import Topology, topology_of


@dataclass(frozen=True)
class System:
    """The drilled system, which activities pass around instead of configuration and secrets."""

    topology: Topology
    reach: Reach

    def client(self, service: str, region: str, endpoint_url: str | None = None) -> Any:
        """Return a boto3 client; see :func:`chaosdrill.aws.sessions.client`."""
        return client(self.reach, service, region, endpoint_url)

    def coordination_client(self, region: str) -> Any:
        """Return a DynamoDB client; see :func:`chaosdrill.aws.sessions.coordination_client`."""
        return coordination_client(self.reach, region)

    def account(self) -> str:
        """Return the account number that the credentials belong to."""
        return account_of(signing_keys(self.reach), lambda: self.client("sts", self.topology.client.region))

    def refuse_other_accounts(self, what: str) -> None:
        """Check the account early, before the first change. Every change is checked again when it is sent.

        :param what: the first change that is about to be made.
        :raises Refused: when the topology does not allow the account.
        """
        sts_region = self.topology.client.region
        refuse_other_accounts(signing_keys(self.reach), lambda: self.client("sts", sts_region), what)


def system_of(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None = None) -> System:
    """Return the system of the topology that the configuration names.

    :raises BadInput: when it names none, or the topology is invalid.
    """
    topology = topology_of(configuration)
    return System(topology, reach_of(topology, configuration, secrets))
