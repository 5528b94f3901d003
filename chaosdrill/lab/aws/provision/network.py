"""VPCs, subnets, the client host and the load balancers."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from chaosdrill.lab.aws.ssm import MANAGED, ManagedInstance
from chaosdrill.lab.plan import OBSERVER, LabPlan, RegionPlan

CLIENT_PREFIX = STORE_PREFIX = 24
AMI = "ami-0cb1c8cab7f5249b6"
SUBNET_PREFIX = 22  # of the application's subnets, one per address of its load balancer


@dataclass(frozen=True)
class ProvisionedLoadBalancer:
    """An application load balancer and its VPC."""

    vpc: str
    arn: str
    dns_name: str
    zone_id: str


# AWS's default, which the sample relies on: its clients send X_ACCOUNT_ID, invalid because of its underscores
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
HEADERS_PASS = {"routing.http.drop_invalid_header_fields.enabled": "false"}


def load_balancer(plan: LabPlan, region: RegionPlan) -> ProvisionedLoadBalancer:
    """Create the application's load balancer in a new VPC, with a subnet for each of its two addresses and its two
    stores.
    """
    ec2 = ec2_backends[plan.account][region.name]
    vpc = ec2.create_vpc(region.cidr, tags=[{"Key": "Name", "Value": f"{region.city}-app"}])
    subnets = [
        ec2.create_subnet(vpc.id, str(IPv4Network(f"{address}/{SUBNET_PREFIX}", strict=False)), availability_zone=zone)
        for address, zone in zip(region.load_balancer_addresses, (f"{region.name}a", f"{region.name}c"), strict=True)
    ]
    for name, address in (("database", region.database_address), ("main-table", region.main_table_address)):
        store = str(IPv4Network(f"{address}/{STORE_PREFIX}", strict=False))
        ec2.create_subnet(vpc.id, store, availability_zone=f"{region.name}a", tags={"subnet": {"Name": name}})
    made = elbv2_backends[plan.account][region.name].create_load_balancer(
        name=f"{region.city}-app",
        security_groups=[],
        subnet_ids=[subnet.id for subnet in subnets],
        scheme="internal",
        loadbalancer_type="application",
        tags=[{"Key": "Name", "Value": f"{region.city}-app"}],
    )
    made.attrs.update(HEADERS_PASS)
    made.activate()
    return ProvisionedLoadBalancer(vpc.id, made.arn, made.dns_name, made.canonical_hosted_zone_id)


def canary_vpc(plan: LabPlan) -> str:
    """Create the VPC of the canary that is in neither of the two regions.

    :returns: its ID.
    """
    ec2 = ec2_backends[plan.account][OBSERVER]
    made: str = ec2.create_vpc(plan.observer_cidr, tags=[{"Key": "Name", "Value": "canary"}]).id
    return made


def client_host(plan: LabPlan) -> tuple[str, str]:
    """Create the bastion, from which clients call the application: an instance that SSM manages.

    :returns: its ID, and the ID of its VPC.
    """
    ec2 = ec2_backends[plan.account][plan.home.name]
    network = str(IPv4Network(f"{plan.client_address}/{CLIENT_PREFIX}", strict=False))
    vpc = ec2.create_vpc(network, tags=[{"Key": "Name", "Value": "client"}])
    subnet = ec2.create_subnet(vpc.id, network, availability_zone=f"{plan.home.name}a")
    reservation = ec2.run_instances(
        AMI,
        1,
        None,
        [],
        instance_type="t3.large",
        is_instance_type_default=False,
        region_name=plan.home.name,
        subnet_id=subnet.id,
        private_ip=plan.client_address,
        tags={"instance": {"Name": "BastionHost"}},
    )
    instance_id: str = reservation.instances[0].id
    MANAGED[instance_id] = ManagedInstance(instance_id, plan.home.name, plan.client_address)
    return instance_id, vpc.id
