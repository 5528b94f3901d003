"""Load balancers: their public DNS names, by which the region of an address is found, their VPC and attributes."""

from typing import Any

from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee


def load_balancer_name(system: System, region: str, arn: str) -> str:
    """Return the DNS name of the load balancer, which resolves to its own addresses.

    :raises CannotSee: when no load balancer has that ARN.
    """
    return str(_described(system, region, arn)["DNSName"])


def vpc_of(system: System, region: str, arn: str) -> str:
    """Return the id of the load balancer's VPC.

    :raises CannotSee: when no load balancer has that ARN.
    """
    return str(_described(system, region, arn)["VpcId"])


def _described(system: System, region: str, arn: str) -> dict[str, Any]:
    answer = system.client("elbv2", region).describe_load_balancers(LoadBalancerArns=[arn])
    found: list[dict[str, Any]] = answer.get("LoadBalancers", [])
    if not found:
        why = f"there is no load balancer {arn} in {region}: correct `load_balancers:` in the topology"
        raise CannotSee(why, code="load-balancer-missing")
    return found[0]


def attributes(system: System, region: str, arn: str) -> dict[str, str]:
    """Read the attributes of a load balancer, by key.

    :source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancerAttributes.html
    """
    answer = system.client("elbv2", region).describe_load_balancer_attributes(LoadBalancerArn=arn)
    return {str(one["Key"]): str(one["Value"]) for one in answer.get("Attributes", ())}
