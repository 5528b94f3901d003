"""ARC routing controls, through the cluster's regional endpoints: from a random endpoint on, the next one after a
failure.

See: https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.regional.html
"""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from chaosdrill.aws import deadlines, safety_rules
from chaosdrill.aws.ambiguous_result import change
from chaosdrill.aws.credential_errors import CredentialsUnusable
from chaosdrill.aws.polling import pause
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.topology import ClusterEndpoint

T = TypeVar("T")

_ANOTHER_MAY_ANSWER = {
    "EndpointTemporarilyUnavailableException",
    "InternalServerException",
    "ThrottlingException",
    "ServiceUnavailable",
}
_BACK_OFF_S = (0.5, 1.0, 2.0)
ROUNDS = len(_BACK_OFF_S) + 1


@dataclass(frozen=True)
class Answered:
    """A response, the region of the endpoint that gave it, and how many endpoints were tried."""

    value: Any
    endpoint: str
    asked: int


def routing_states(system: System, rounds: int = 1) -> dict[str, str]:
    """Read every region's routing control.

    :param rounds: how often to try all endpoints; a read that is soon repeated needs one.
    :returns: ``On`` or ``Off`` by region.
    :raises CannotSee: when no endpoint responds.
    """
    controls = system.topology.routing.controls

    def read(client: Any) -> dict[str, str]:
        return {
            region: str(client.get_routing_control_state(RoutingControlArn=arn)["RoutingControlState"])
            for region, arn in controls.items()
        }

    endpoints = (one.region for one in system.topology.routing.cluster_endpoints)
    resource = (system.reach, "routing controls", *controls.items(), *endpoints)
    try:
        states: dict[str, str] = _in_rounds(
            rounds, lambda _: paced(resource, lambda: _ask_each(system, read).value).value
        )
    except CredentialsUnusable:
        raise  # not wrapped: the cause is not the routing controls
    except (DrillError, ClientError, BotoCoreError) as error:
        raise CannotSee(f"the routing controls could not be read: {error}", code="routing-unreadable") from error
    return states


def write_routing_states(system: System, states: dict[str, str], override: Sequence[str] = ()) -> Answered:
    """Set routing controls, all in one call.

    :param states: ``On`` or ``Off`` by region.
    :param override: ARNs of the safety rules to override.
    :returns: which endpoint responded; none, when the response was lost and the states are as requested all the same.
    :raises Refused: when a safety rule forbids it; nothing was changed.
    :raises DrillError: when no endpoint responds, with what is known of the states.
    """
    update = routing_update(system, states, override)
    answered = Answered(None, "none", len(system.topology.routing.cluster_endpoints) * ROUNDS)

    def write(client: Any) -> None:
        client.update_routing_control_states(**update)

    def ask() -> None:
        nonlocal answered
        try:
            answered = ask_cluster(system, write)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConflictException":
                raise safety_rules.forbidden(system, states, error) from error
            raise

    wanted = ", ".join(f"{region} {state}" for region, state in states.items())
    change(f"the routing {wanted}", ask, lambda: states.items() <= routing_states(system).items())
    return answered


def routing_update(system: System, states: Mapping[str, str], override: Sequence[str] = ()) -> dict[str, Any]:
    """Return the parameters of the UpdateRoutingControlStates that :func:`write_routing_states` sends."""
    controls = system.topology.routing.controls
    entries = [{"RoutingControlArn": controls[name], "RoutingControlState": state} for name, state in states.items()]
    passed_over = {"SafetyRulesToOverride": list(override)} if override else {}
    return {"UpdateRoutingControlStateEntries": entries, **passed_over}


def endpoints_reachable(system: System) -> dict[str, str]:
    """Request one routing control state from every endpoint of the cluster at the same time.

    :returns: by the endpoint's region: empty when it responded, else why it did not.
    :raises CannotSee: when one refuses a request that the others would refuse, too: that does not show which are
        reachable.
    """
    endpoints = system.topology.routing.cluster_endpoints
    control = next(iter(system.topology.routing.controls.values()))

    def ask(endpoint: ClusterEndpoint) -> str:
        try:
            _cluster_client(system, endpoint).get_routing_control_state(RoutingControlArn=control)
        except (ClientError, HTTPClientError, NoConnection, deadlines.CutShort) as error:
            if another_may_answer(error):
                return str(error)
            why = f"the cluster endpoint in {endpoint.region} refuses: {error}"
            raise CannotSee(why, code="routing-unreadable") from error
        except BotoCoreError as error:  # for example: no credentials
            why = f"the cluster endpoints could not be read: {error}"
            raise CannotSee(why, code="routing-unreadable") from error
        return ""

    with ThreadPoolExecutor(len(endpoints), thread_name_prefix="cluster-endpoints") as pool:
        return dict(zip((one.region for one in endpoints), pool.map(deadlines.carried(ask), endpoints), strict=True))


def ask_cluster(system: System, ask: Callable[[Any], T]) -> Answered:
    """Try the endpoints one after the other, from a random one on, until one responds. All are tried several times,
    with a growing pause between the rounds.

    :param ask: sends the request with a cluster client; may be called several times.
    :returns: the response, and which endpoint gave it.
    :raises DrillError: when none responded.
    :raises ClientError: when one responded with an error that the others would repeat.
    """
    return _in_rounds(ROUNDS, lambda turn: _ask_each(system, ask, turn))


def _in_rounds(rounds: int, one_round: Callable[[int], T]) -> T:
    for turn in range(rounds - 1):
        try:
            return one_round(turn)
        except _Nobody:
            if deadlines.over():
                raise
            pause(_BACK_OFF_S[turn] * random.uniform(0.8, 1.2))
    return one_round(rounds - 1)


class _Nobody(DrillError):
    """No endpoint responded."""


class _NobodyInTime(_Nobody, deadlines.CutShort):
    """No endpoint responded, and the deadline cut some requests short."""


def _ask_each(system: System, ask: Callable[[Any], Any], turn: int = 0) -> Answered:
    endpoints = list(system.topology.routing.cluster_endpoints)
    start = random.randrange(len(endpoints))
    endpoints = endpoints[start:] + endpoints[:start]
    seen: dict[str, str] = {}
    kind = _Nobody
    for number, endpoint in enumerate(endpoints, start=1):
        try:
            with deadlines.one_of_several(len(endpoints) - number + 1):
                answer = ask(_cluster_client(system, endpoint))
            return Answered(answer, endpoint.region, turn * len(endpoints) + number)
        except (ClientError, HTTPClientError, NoConnection, deadlines.CutShort) as error:
            if not another_may_answer(error):
                raise
            seen[endpoint.region] = str(error)
            kind = _NobodyInTime if isinstance(error, deadlines.CutShort) else kind
    each = "; ".join(f"{region}: {error}" for region, error in sorted(seen.items()))
    raise kind(
        f"none of the {len(seen)} endpoints of the ARC cluster responded ({each}): check the "
        "network and `routing: cluster_endpoints` in the topology",
        code="routing-unreadable",
    )


def another_may_answer(error: Exception) -> bool:
    """Return whether another endpoint of the cluster may succeed: after an outage yes, after a refusal no."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _ANOTHER_MAY_ANSWER or status >= 500


def _cluster_client(system: System, endpoint: ClusterEndpoint) -> Any:
    return system.client("route53-recovery-cluster", endpoint.region, endpoint.url)
