"""The client host that an activity's arguments name; it takes precedence over the topology's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System, system_of
from chaosdrill.aws.overrides import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.errors import BadInput, Refused, problem
from chaosdrill.topology import ClientHost


@dataclass(frozen=True)
class ChosenHost:
    """The client host that an activity's arguments name; a value that is None is taken from the topology.

    :param region: the host's region, by name or role; it need not be one of the topology's two regions.
    """

    region: str | None = None
    instance_id: str | None = None

    @property
    def named(self) -> list[str]:
        """Names of the arguments that were passed."""
        return [name for name in ("region", "instance_id") if getattr(self, name) is not None]

    def system(self, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> System:
        """Return the system with this client host in place of the topology's.

        :raises BadInput: when there is no such region.
        """
        system = system_of(configuration, secrets)
        return with_client_host(system, self.instance_id, client_region(system, self.region))

    def refuse(self, why: str, instead: str = "write `run: ssm` in the topology") -> None:
        """Refuse a client host that was named although none is used.

        :param why: why no client host is used.
        :param instead: what the user can do other than leave the argument out.
        :raises BadInput: when a host was named.
        """
        if self.named:
            fix = f"leave it out, or {instead}"
            text = f"{' and '.join(self.named)}: {why}, so no client host is chosen: {fix}"
            raise BadInput([problem("client-host-unused", text)])

    def refuse_another(self, what: str, there: ClientHost, system: System) -> None:
        """Refuse a client host other than the one on which a program of this run is running.

        :param what: the program, as messages call it.
        :param there: the host on which it is running.
        :raises Refused: when another host was named.
        """
        asked = system.topology.client
        if self.named and (asked.instance_id, asked.region) != (there.instance_id, there.region):
            raise Refused(
                f"{what} of this run is on the client host {there.instance_id} ({there.region}), not on "
                f"{asked.instance_id} ({asked.region}): name that one, or none",
                code="client-host-differs",
            )
