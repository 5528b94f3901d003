"""The two Lambda functions of the reference system's failover initiator, under the names in its CDK code.

:source: https://github.com/aws-samples/baseline-environment-on-aws-for-financial-services-institute
"""

from collections.abc import Mapping
from typing import Any

from chaosdrill.lab.aws.clients import ClientCache

CHECK_RUNNING_STATUS, CHECK_TWO_REGION_ALARMS = "check_running_status", "check_two_region_alarms"
_clients = ClientCache(attempts=5)  # boto3's default


def check_running_status(_: dict[str, Any], environment: Mapping[str, str]) -> dict[str, bool]:
    """Return whether a failover (``fo-Running``) or a failback (``fb-Running``) is running, and ``bothIdle``."""
    failover, failback = (_runs(environment[f"{name}StateMachineArn"]) for name in ("failover", "failback"))
    return {"fo-Running": failover, "fb-Running": failback, "bothIdle": not (failover or failback)}


def _runs(machine_arn: str) -> bool:
    client = _clients.get("stepfunctions", machine_arn.split(":")[3])
    return bool(client.list_executions(stateMachineArn=machine_arn, statusFilter="RUNNING")["executions"])


def check_two_region_alarms(_: dict[str, Any], environment: Mapping[str, str]) -> dict[str, bool]:
    """Return whether the alarms of the standby and the monitoring region are both in ALARM (``bothInAlarm``)."""
    sides = ("secondary", "monitoring")
    alarms = [(environment[f"{side}Region"], environment[f"{side}AlarmName"]) for side in sides]
    return {"bothInAlarm": all(_is_in_alarm(region, name) for region, name in alarms)}


def _is_in_alarm(region: str, name: str) -> bool:
    client = _clients.get("cloudwatch", region)
    alarms = client.describe_alarms(AlarmNames=[name], StateValue="ALARM")["MetricAlarms"]
    return any(alarm["StateValue"] == "ALARM" for alarm in alarms)
