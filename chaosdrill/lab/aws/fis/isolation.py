"""FIS's action ``aws:network:disrupt-connectivity``, carried out by the lab's kernel.

On AWS a subnet's network ACL is replaced, and traffic inside the subnet continues; here every packet from or to one of
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
class IsolatedSubnets:
    """An isolation of subnets.

    :param networks: their CIDR ranges.
    :param duration_s: in the reference system's seconds.
    """

    networks: tuple[str, ...]
    duration_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:15])

    def inject(self) -> None:
        """Isolate them.

        :raises LabError: when the kernel refuses.
        :undo: :meth:`heal`
        """
        duration_s = scaled(self.duration_s)
        ask("network.isolate", ANSWER_WITHIN_S, id=self.id, networks=list(self.networks), duration_s=duration_s)

    def heal(self) -> None:
        """End the isolation; has no effect when it has ended."""
        ask("network.reconnect", ANSWER_WITHIN_S, id=self.id)


def from_action(region: str, parameters: Mapping[str, str], arns: Sequence[str]) -> IsolatedSubnets:
    """Return the isolation that an action describes.

    :param arns: ARNs of its subnets.
    :raises LabError: when the lab does not support it.
    """
    if parameters["scope"] != "all":
        raise LabError(f"scope {parameters['scope']!r}: the lab can deny all of the traffic only: all")
    return IsolatedSubnets(tuple(subnet_ranges(region, arns)), seconds(parameters["duration"]))
