"""ARC routing controls through the cluster's regional endpoints: start at a random one, go on to the next on failure.

See: https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.regional.html
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from chaosdrill.aws.polling import pause
from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee, DrillError, Refused
from chaosdrill.topology import ClusterEndpoint

T = TypeVar("T")

_ANOTHER_MAY_ANSWER = {
    "EndpointTemporarilyUnavailableException",
    "InternalServerException",
    "ThrottlingException",
    "ServiceUnavailable",
}
_BACK_OFF_S = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Answered:
    """An answer, the region of the endpoint that gave it, and how many endpoints were asked."""

    value: Any
    endpoint: str
    asked: int


def routing_states(system: System) -> dict[str, str]:
    """Read every region's routing control.

    :returns: ``On`` or ``Off`` by region.
    :raises CannotSee: when no endpoint answers.
    """
    controls = system.topology.routing.controls

    def read(client: Any) -> dict[str, str]:
        return {
            region: str(client.get_routing_control_state(RoutingControlArn=arn)["RoutingControlState"])
            for region, arn in controls.items()
        }

    try:
        states: dict[str, str] = ask_cluster(system, read, rounds=1).value
    except (DrillError, ClientError, BotoCoreError) as error:
        raise CannotSee(f"the routing controls could not be read: {error}") from error
    return states


def write_routing_states(system: System, states: dict[str, str]) -> Answered:
    """Set routing controls, all in one call.

    :param states: ``On`` or ``Off`` by region.
    :returns: which endpoint answered.
    :raises Refused: when a safety rule forbids it; nothing was changed.
    :raises DrillError: when no endpoint answers.
    """
    controls = system.topology.routing.controls
    entries = [{"RoutingControlArn": controls[name], "RoutingControlState": state} for name, state in states.items()]

    def write(client: Any) -> None:
        client.update_routing_control_states(UpdateRoutingControlStateEntries=entries)

    try:
        return ask_cluster(system, write)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConflictException":
            raise _forbidden(states, error) from error
        raise


def ask_cluster(system: System, ask: Callable[[Any], T], rounds: int = len(_BACK_OFF_S) + 1) -> Answered:
    """Ask one endpoint after the other, from a random start, until one answers.

    :param ask: given a cluster client; may be called several times.
    :param rounds: how often to go round all endpoints, with a growing pause between rounds.
    :returns: the answer, and which endpoint gave it.
    :raises DrillError: when none answered.
    :raises ClientError: when one answered with an error that another would repeat.
    """
    endpoints = list(system.topology.routing.cluster_endpoints)
    start = random.randrange(len(endpoints))
    endpoints = endpoints[start:] + endpoints[:start]
    seen: dict[str, str] = {}
    for turn in range(rounds):
        for number, endpoint in enumerate(endpoints, start=1):
            try:
                return Answered(ask(_cluster_client(system, endpoint)), endpoint.region, turn * len(endpoints) + number)
            except (ClientError, HTTPClientError, NoConnection) as error:
                if not another_may_answer(error):
                    raise
                seen[endpoint.region] = str(error)
        if turn < rounds - 1:
            pause(_BACK_OFF_S[turn] * random.uniform(0.8, 1.2))
    raise _nobody(seen, rounds)


def another_may_answer(error: ClientError | BotoCoreError) -> bool:
    """:returns: whether another endpoint of the cluster could do better: outages yes, refusals no."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _ANOTHER_MAY_ANSWER or status >= 500


def _cluster_client(system: System, endpoint: ClusterEndpoint) -> Any:
    return system.client("route53-recovery-cluster", endpoint.region, endpoint.url)


def _nobody(seen: dict[str, str], rounds: int) -> DrillError:
    each = "; ".join(f"{region}: {error}" for region, error in sorted(seen.items()))
    return DrillError(
        f"none of the {len(seen)} endpoints of the ARC cluster answered in {rounds} rounds ({each}): check the network "
        "and `routing: cluster_endpoints` in the topology"
    )


def _forbidden(states: dict[str, str], error: ClientError) -> Refused:
    details: Mapping[str, Any] = dict(error.response)
    rule = details.get("resourceId", "")
    wanted = ", ".join(f"{region} {state}" for region, state in states.items())
    return Refused(
        f"a safety rule forbids {wanted}: {error.response['Error']['Message']} ({rule}): nothing was changed; "
        "change the rule, or the order of the steps"
    )
