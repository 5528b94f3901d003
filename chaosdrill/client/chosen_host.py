"""The client host that an activity names, which wins over the topology's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System, system_of
from chaosdrill.aws.explicit import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.errors import BadInput, Refused, problem
from chaosdrill.topology import ClientHost


@dataclass(frozen=True)
class ChosenHost:
    """What of the client host was named; None: as the topology has it.

    :param region: where it is, by name or role; the topology's own need not be one of its two.
    """

    region: str | None = None
    instance_id: str | None = None

    @property
    def named(self) -> list[str]:
        """The arguments that were given."""
        return [name for name in ("region", "instance_id") if getattr(self, name) is not None]

    def system(self, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> System:
        """:returns: the system with this client host.

        :raises BadInput: when there is no such region.
        """
        system = system_of(configuration, secrets)
        return with_client_host(system, self.instance_id, client_region(system, self.region))

    def refuse(self, why: str, instead: str = "write `run: ssm` in the topology") -> None:
        """:raises BadInput: when a host was named although none is used; ``instead`` of leaving it out."""
        if self.named:
            fix = f"leave it out, or {instead}"
            text = f"{' and '.join(self.named)}: {why}, so no client host is chosen: {fix}"
            raise BadInput([problem("client-host-unused", text)])

    def refuse_another(self, what: str, there: ClientHost, system: System) -> None:
        """:raises Refused: when another host was named than the one that it runs on."""
        asked = system.topology.client
        if self.named and (asked.instance_id, asked.region) != (there.instance_id, there.region):
            raise Refused(
                f"{what} of this run is on the client host {there.instance_id} ({there.region}), not on "
                f"{asked.instance_id} ({asked.region}): name that one, or none",
                code="client-host-differs",
            )
