"""The automation of failovers: the region proxy, the state machines, and the alarms that can start a failover."""

import base64
import io
import json
import zipfile
from collections.abc import Mapping

from moto.awslambda_simple.models import lambda_simple_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.stepfunctions.models import StepFunctionBackend
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from chaosdrill.lab.aws import initiator_functions, region_proxy
from chaosdrill.lab.aws.functions import HANDLERS
from chaosdrill.lab.aws.initiator_functions import CHECK_RUNNING_STATUS, CHECK_TWO_REGION_ALARMS
from chaosdrill.lab.aws.machines import Initiator, Move, MoveRegion
from chaosdrill.lab.aws.provision.database import ProvisionedDatabase
from chaosdrill.lab.aws.provision.routing import ProvisionedRouting
from chaosdrill.lab.plan import OBSERVER, LabPlan, RegionPlan

FAILOVER, FAILBACK, INITIATOR = "FailoverStateMachine", "FailbackStateMachine", "FailoverInitiatorStateMachine"
SUFFIX = "1A2B3C4D"  # as appended by CloudFormation
PROXY = "region-proxy"
SAMPLE_PROXY = "ProxyHandler"  # in the name of the proxy in the public sample's CDK code
LAMBDA_TIMEOUT_S = 15
RULE = "start-failover-on-alarm"


def automation(plan: LabPlan, routing: ProvisionedRouting, database: ProvisionedDatabase) -> None:
    """Create the automation in the standby region; its rule is disabled, as in the reference system."""
    HANDLERS.update(dict.fromkeys((PROXY, SAMPLE_PROXY), region_proxy.handle))
    proxy = _function(plan, f"{PROXY}-{SUFFIX}")
    home, standby = (_side(region, routing, database) for region in plan.regions)
    move = Move(home, standby, proxy, routing.endpoints, database.global_cluster)
    back = Move(standby, home, proxy, routing.endpoints, database.global_cluster)
    failover = _machine(plan, FAILOVER, move.definition())
    failback = _machine(plan, FAILBACK, back.definition())
    alarms = {region: canary_of(region) for region in (plan.standby.name, OBSERVER)}
    _initiator_functions(plan, failover, failback, alarms)
    initiator = _machine(plan, INITIATOR, Initiator(failover, failback, proxy, alarms).definition())
    for region in alarms:
        _alarm(plan, region)
    _rule(plan, initiator)


def canary_of(region: str) -> str:
    """Return the name of a region's canary and of its alarm, in the public sample's spelling."""
    return f"canaryAlerm-{region}"


def role(plan: LabPlan, name: str, service: str) -> str:
    """Create a role that ``service`` can assume.

    :returns: its ARN.
    """
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = iam_backends[plan.account]["aws"].create_role(name, document, "/", None, "", [], "3600")
    return made.arn


def _side(region: RegionPlan, routing: ProvisionedRouting, database: ProvisionedDatabase) -> MoveRegion:
    return MoveRegion(region.name, region.flag_table, routing.controls[region.name], database.clusters[region.name])


def _initiator_functions(plan: LabPlan, failover: str, failback: str, alarms: Mapping[str, str]) -> None:
    """Create the functions of the public sample's initiator, for users who load its definition into the lab."""
    HANDLERS[CHECK_RUNNING_STATUS] = initiator_functions.check_running_status
    HANDLERS[CHECK_TWO_REGION_ALARMS] = initiator_functions.check_two_region_alarms
    _function(plan, CHECK_RUNNING_STATUS, {"failoverStateMachineArn": failover, "failbackStateMachineArn": failback})
    (secondary, secondary_alarm), (monitoring, monitoring_alarm) = alarms.items()
    regions = {"secondaryRegion": secondary, "monitoringRegion": monitoring}
    names = {"secondaryAlarmName": secondary_alarm, "monitoringAlarmName": monitoring_alarm}
    _function(plan, CHECK_TWO_REGION_ALARMS, {**regions, **names})


def _function(plan: LabPlan, name: str, variables: Mapping[str, str] | None = None) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("index.py", "# runs inside the lab\n")
    function = lambda_simple_backends[plan.account][plan.standby.name].create_function(
        {
            "FunctionName": name,
            "Role": role(plan, f"{name}-role", "lambda.amazonaws.com"),
            "Runtime": "python3.13",
            "Handler": "index.handle",
            "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
            "Timeout": LAMBDA_TIMEOUT_S,
            "Environment": {"Variables": dict(variables or {})},
        }
    )
    return str(function.function_arn)


def _machine(plan: LabPlan, name: str, definition: str) -> str:
    backend = stepfunctions_parser_backends[plan.account][plan.standby.name]
    arn = role(plan, f"{name}-role", "states.amazonaws.com")
    # the base class's method does not parse the definition, which takes 0.1 s; ``warm`` parses it after the start
    return StepFunctionBackend.create_state_machine(backend, f"{name}-{SUFFIX}", definition, arn).arn


def _alarm(plan: LabPlan, region: str) -> None:
    cloudwatch_backends[plan.account][region].put_metric_alarm(
        name=canary_of(region),
        namespace="CloudWatchSynthetics",
        metric_name="SuccessPercent",
        comparison_operator="LessThanThreshold",
        evaluation_periods=2,
        period=60,
        threshold=100.0,
        statistic="Average",
        description=f"{plan.domain} does not respond to requests from {region}",
        dimensions=[{"Name": "CanaryName", "Value": canary_of(region)}],
        alarm_actions=[],
    )


def _rule(plan: LabPlan, initiator_arn: str) -> None:
    events = events_backends[plan.account][plan.standby.name]
    detail = {
        "alarmName": [canary_of(plan.standby.name)],
        "state": {"value": ["ALARM"]},
        "previousState": {"value": ["OK"]},
    }
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"], "detail": detail}
    events.put_rule(RULE, event_pattern=json.dumps(pattern), state="DISABLED")
    arn = role(plan, f"{RULE}-role", "events.amazonaws.com")
    events.put_targets(RULE, None, [{"Id": "initiator", "Arn": initiator_arn, "RoleArn": arn}])
