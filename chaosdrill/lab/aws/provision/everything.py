"""Provisioning of the whole reference system, in order."""

from dataclasses import dataclass
from typing import Any

from chaosdrill.lab.aws.provision import application, automation, database, network, roles, routing, topology
from chaosdrill.lab.plan import OBSERVER, LabPlan


@dataclass(frozen=True)
class Provisioned:
    """The created resources: the topology, and the routing controls that state machines use."""

    topology: dict[str, Any]
    routing: routing.ProvisionedRouting


def provision(plan: LabPlan) -> Provisioned:
    """Create the reference system, and write the topology and the AWS config file.

    :raises OSError: when a file cannot be written.
    """
    balancers = {region.name: network.load_balancer(plan, region) for region in plan.regions}
    instance_id, client_vpc = network.client_host(plan)
    for region in plan.regions:
        application.services(plan, region)
        application.flag_table(plan, region)
        application.main_table(plan, region)
    application.coordination_table(plan)
    controls = routing.routing_controls(plan)
    vpcs = [routing.Vpc(client_vpc, plan.home.name), routing.Vpc(network.canary_vpc(plan), OBSERVER)]
    vpcs += [routing.Vpc(balancer.vpc, region) for region, balancer in balancers.items()]
    routing.records(plan, controls, balancers, vpcs)
    aurora = database.global_database(plan)
    automation.automation(plan, controls, aurora)
    roles.roles(plan, instance_id)
    facts = topology.topology(plan, instance_id, balancers, controls, aurora)
    topology.write(plan, facts)
    return Provisioned(facts, controls)
