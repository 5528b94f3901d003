"""The load balancers' public names, for telling whose an address is."""

from chaosdrill.aws.system import System


def load_balancer_name(system: System, region: str, arn: str) -> str:
    """:returns: the DNS name of the load balancer, which resolves to its own addresses."""
    answer = system.client("elbv2", region).describe_load_balancers(LoadBalancerArns=[arn])
    return str(answer["LoadBalancers"][0]["DNSName"])
