"""Assumptions on entry points: the bucket and its presigned URLs, ARC's endpoints, headers at load balancers."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

from chaosdrill.aws import System, elb
from chaosdrill.client.host import delivery
from chaosdrill.conformance.assumptions import Assumption, Observed

ENDPOINTS = 5
DROPS = "routing.http.drop_invalid_header_fields.enabled"


def assumptions(system: System) -> Iterator[Assumption]:
    """Yield the assumptions on entry points."""
    client = system.topology.client
    if client.s3:
        yield Assumption(
            f"bucket {client.s3.partition('/')[0]}",
            f"in {client.region}, and presigned URLs name that region",
            partial(_bucket, system),
            "use a bucket in the client host's region; if it could not be read, allow s3:ListBucket",
        )
    yield Assumption(
        "endpoints of the ARC cluster",
        f"{ENDPOINTS} in {ENDPOINTS} regions, and all of them respond with the same state",
        partial(_endpoints, system),
        "correct `routing: {cluster_endpoints}`, or allow route53-recovery-cluster:GetRoutingControlState",
    )
    for region, balancer in system.topology.load_balancers.items():
        if balancer.arn is not None:
            yield Assumption(
                f"headers at the load balancer of {region}",
                "headers with an underscore in their name reach the application",
                partial(_headers, system, region, balancer.arn),
                f"set {DROPS} to false, or the application does not get X_ACCOUNT_ID; if it could not be read, allow "
                "elasticloadbalancing:DescribeLoadBalancerAttributes",
            )


def _bucket(system: System) -> Observed:
    host = system.topology.client
    client, at = delivery.place(system, "conformance")
    region = str(client.head_bucket(Bucket=at["Bucket"])["BucketRegion"])
    name = urlsplit(delivery.url_of_aws(system, "get_object", at)).netloc
    return Observed(f"in {region}; presigned for {name}", region == host.region and f".{region}." in f".{name}")


def _endpoints(system: System) -> Observed:
    routing = system.topology.routing
    control = next(iter(routing.controls.values()))
    found = {}
    for one in routing.cluster_endpoints:
        client = system.client("route53-recovery-cluster", one.region, one.url)
        found[one.region] = str(client.get_routing_control_state(RoutingControlArn=control)["RoutingControlState"])
    agree = len(set(found.values())) == 1
    return Observed(
        ", ".join(f"{region} {state}" for region, state in found.items()), len(found) == ENDPOINTS and agree
    )


def _headers(system: System, region: str, arn: str) -> Observed:
    value = elb.attributes(system, region, arn).get(DROPS, "not reported")
    return Observed(f"{DROPS}: {value}", value == "false")
