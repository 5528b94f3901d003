"""The SSM document ``AWSFIS-Run-Network-Packet-Loss-Sources``, as far as the lab supports it.

:source: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
"""

import ipaddress
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.route53 import lookup
from chaosdrill.lab.aws.runtime import ask, plan, scaled

DOCUMENT = "AWSFIS-Run-Network-Packet-Loss-Sources"
LONGEST_DURATION_S = 43200
INTERFACES = ("DEFAULT", "eth0")
ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True)
class PacketLossParameters:
    """A packet loss as the document's parameters describe it.

    :param sources: IPv4 addresses and networks.
    :param duration_s: in the reference system's seconds.
    """

    percent: float
    sources: tuple[str, ...]
    traffic_type: str
    duration_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    def inject(self) -> None:
        """Start the packet loss.

        :raises LabError: when the lab's client host refuses.
        :undo: :meth:`heal`
        """
        ask(
            "packet_loss.inject",
            ANSWER_WITHIN_S,
            id=self.id,
            percent=self.percent,
            sources=list(self.sources),
            traffic_type=self.traffic_type,
            duration_s=scaled(self.duration_s),
        )

    def heal(self) -> None:
        """End the packet loss; has no effect when it has ended."""
        ask("packet_loss.heal", ANSWER_WITHIN_S, id=self.id)


def from_document(arn: str, parameters: str) -> PacketLossParameters:
    """Return the packet loss of an ``aws:ssm:send-command`` action.

    :param arn: the document's ARN.
    :param parameters: the document's parameters, JSON.
    :raises LabError: when the document is another one or a parameter is wrong.
    """
    if arn.rsplit("/", 1)[-1] != DOCUMENT:
        raise LabError(f"the lab can run the document {DOCUMENT} only, not {arn}")
    try:
        given: Mapping[str, Any] = json.loads(parameters or "{}")
        percent, duration_s = float(given.get("LossPercent", 7)), float(given["DurationSeconds"])
        sources = tuple(str(given["Sources"]).split(","))
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"documentParameters {parameters!r} of {DOCUMENT}: {type(error).__name__}: {error}") from error
    _refuse_what_the_lab_cannot(given)
    traffic_type = str(given.get("TrafficType", "ingress"))
    if not 1 <= percent <= 100 or not 1 <= duration_s <= LONGEST_DURATION_S:
        raise LabError(f"LossPercent {percent} must be 1-100, DurationSeconds {duration_s} 1-{LONGEST_DURATION_S}")
    if traffic_type not in ("ingress", "egress"):
        raise LabError(f"TrafficType {traffic_type!r} must be ingress or egress")
    addresses = tuple(address for source in sources for address in _addresses(source))
    return PacketLossParameters(percent, addresses, traffic_type, duration_s)


def _refuse_what_the_lab_cannot(given: Mapping[str, Any]) -> None:
    if str(given.get("FlowsPercent", "100")) != "100":
        raise LabError(
            f"FlowsPercent {given['FlowsPercent']}: the lab loses packets of all connections or of none: 100"
        )
    if str(given.get("Interface", "DEFAULT")) not in INTERFACES:
        raise LabError(
            f"Interface {given['Interface']!r}: the client host of the lab has {' = '.join(INTERFACES)} only"
        )


def _addresses(source: str) -> list[str]:
    if source == "ALL":
        return ["0.0.0.0/0"]
    try:
        network = ipaddress.IPv4Network(source, strict=False)
        return [str(network) if "/" in source else str(network.network_address)]
    except ValueError:
        answer = lookup(source, "A", plan().client_address)
        found = [value for record in answer.records if record.type == "A" for value in record.values]
    if not found:
        raise LabError(f"source {source!r} is no IPv4 address, no CIDR block and no domain that resolves in the lab")
    return found
