"""Warm-up that makes the first failover as fast as the next: a second of model loading would distort a scaled drill.

After the lab is ready, every definition of a failover is parsed and every API that it calls is called once, reading
only.
"""

from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from chaosdrill.lab.aws import region_proxy
from chaosdrill.lab.aws.provision.routing import ProvisionedRouting
from chaosdrill.lab.aws.runtime import logger
from chaosdrill.lab.aws.stepfunctions import calls
from chaosdrill.lab.plan import LabPlan


def warm_up(plan: LabPlan, routing: ProvisionedRouting) -> None:
    """Call each API that the state machines call."""
    try:
        for machine in stepfunctions_parser_backends[plan.account][plan.standby.name].state_machines:
            AmazonStateLanguageParser.parse(machine.definition)
        calls.CLIENTS.get("lambda", plan.standby.name).list_functions()
        calls.CLIENTS.get("rds", plan.standby.name).describe_global_clusters()
        for region in plan.regions:
            _read(region.name, "dynamodb", "ListTables")
            _read(region.name, "rds", "DescribeGlobalClusters")
        for endpoint in routing.endpoints:
            _read(endpoint["Region"], "route53-recovery-cluster", "ListRoutingControls", endpoint["Endpoint"])
    except Exception:  # noqa: BLE001  a cold start is no reason to fail; an actual problem shows in the drill
        logger.warning("warming up failed", exc_info=True)


def _read(region: str, service: str, action: str, url: str | None = None) -> None:
    call = {"targetRegion": region, "service": service, "action": action, "endpoint": url}
    region_proxy.handle({**call, "parameters": {}}, {})
