"""Checks of the routing controls before a drill."""

from collections.abc import Iterator
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, arc
from chaosdrill.errors import DrillError
from chaosdrill.parts.check_readings import by_region, refused_by
from chaosdrill.parts.interface import Check, CheckContext, Reading
from chaosdrill.topology import ClusterEndpoint

_FIX = "allow route53-recovery-cluster:GetRoutingControlState, or correct `routing:`"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: the states can be read from one endpoint, and from each of them."""
    if not context.changes_regions():
        return
    system, what = context.system, "routing controls"
    yield Check("routing", "routing.controls", what, _FIX, partial(_states, system), quick=True)
    for one in system.topology.routing.cluster_endpoints:
        what = f"cluster endpoint {one.region}"
        yield Check("routing", "routing.cluster-endpoint", what, _FIX, partial(_endpoint, system, one))


def _states(system: System) -> Reading:
    return Reading(by_region(arc.routing_states(system)))


def _endpoint(system: System, endpoint: ClusterEndpoint) -> Reading:
    """Read the states from one endpoint. A failure that another endpoint can make up for is a warning."""
    try:
        client = system.client("route53-recovery-cluster", endpoint.region, endpoint.url)
        states = {
            region: str(client.get_routing_control_state(RoutingControlArn=control)["RoutingControlState"])
            for region, control in system.topology.routing.controls.items()
        }
    except (DrillError, ClientError, BotoCoreError) as error:
        if arc.another_may_answer(error):
            return Reading("", "warning", str(error), code="routing-unreadable")
        return refused_by(error)
    return Reading(by_region(states))
