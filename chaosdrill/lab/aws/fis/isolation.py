"""FIS's action ``aws:network:disrupt-connectivity``, as the lab's kernel carries it out.

On AWS a subnet's network ACL is replaced, and traffic inside the subnet goes on; here every packet from or to one of
its addresses is dropped.

:source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#network-actions-reference
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.fis.durations import seconds
from chaosdrill.lab.aws.fis.targets import subnet_ranges
from chaosdrill.lab.aws.runtime import ask, scaled

ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True)
class Isolation:
    """Subnets that are cut off.

    :param networks: their address ranges.
    :param duration_s: in the reference's seconds.
    """

    networks: tuple[str, ...]
    duration_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:15])

    def inject(self) -> None:
        """Cut them off.

        :raises LabError: when the kernel says no.
        :undo: :meth:`heal`
        """
        duration_s = scaled(self.duration_s)
        ask("network.isolate", ANSWER_WITHIN_S, id=self.id, networks=list(self.networks), duration_s=duration_s)

    def heal(self) -> None:
        """End it, if it still goes on."""
        ask("network.reconnect", ANSWER_WITHIN_S, id=self.id)


def from_action(region: str, parameters: Mapping[str, str], arns: Sequence[str]) -> Isolation:
    """:returns: what the action asks for.

    :param arns: of its subnets.
    :raises LabError: when the lab cannot do that.
    """
    if parameters["scope"] != "all":
        raise LabError(f"scope {parameters['scope']!r}: the lab can deny all of the traffic only: all")
    return Isolation(tuple(subnet_ranges(region, arns)), seconds(parameters["duration"]))
