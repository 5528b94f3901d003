"""All of the reference system, in order."""

import json
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends

from chaosdrill.lab.aws.fis import permissions
from chaosdrill.lab.aws.provision import application, automation, database, network, routing, topology
from chaosdrill.lab.plan import OBSERVER, LabPlan


@dataclass(frozen=True)
class Provisioned:
    """What was made, as the topology names it, and what state machines call."""

    topology: dict[str, Any]
    routing: routing.Routing


def provision(plan: LabPlan) -> Provisioned:
    """Make the reference system; write the topology and the AWS config file.

    :raises OSError: when a file cannot be written.
    """
    balancers = {region.name: network.load_balancer(plan, region) for region in plan.regions}
    instance_id, client_vpc = network.client_host(plan)
    for region in plan.regions:
        application.services(plan, region)
        application.flag_table(plan, region)
    controls = routing.routing_controls(plan)
    vpcs = [routing.Vpc(client_vpc, plan.home.name), routing.Vpc(network.canary_vpc(plan), OBSERVER)]
    vpcs += [routing.Vpc(balancer.vpc, region) for region, balancer in balancers.items()]
    routing.records(plan, controls, balancers, vpcs)
    aurora = database.global_database(plan)
    automation.automation(plan, controls, aurora)
    automation.role(plan, "fis-experiments", "fis.amazonaws.com")
    iam_backends[plan.account]["aws"].put_role_policy("fis-experiments", "fis", _everything_fis_needs())
    facts = topology.topology(plan, instance_id, balancers, controls, aurora)
    topology.write(plan, facts)
    return Provisioned(facts, controls)


def _everything_fis_needs() -> str:
    """:returns: the policy of a role that administrators have made for experiments."""
    actions = [*permissions.SEND, *permissions.COMMANDS, *permissions.ISOLATION]
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
