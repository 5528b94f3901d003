"""The reference system's state machines.

The failover machine has the reference system's states, names, paths and calls; the failback machine is the same with
the regions exchanged. As in the reference system, one of the five cluster endpoints is picked at random without a retry
at another one, the switchover is called in the destination region, there is no wait before the first poll, and the
writer is not checked.

:source: https://github.com/aws-samples/baseline-environment-on-aws-for-financial-services-institute
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaosdrill.lab.aws import asl

PARAMETER_PROPAGATION_S = 10
POLLING_S = 10
TIMEOUT_S = 3600
INITIATOR_ATTEMPTS = 10


@dataclass(frozen=True)
class MoveRegion:
    """Resources of one region that a transition uses."""

    region: str
    flag_table: str
    routing_control_arn: str
    database_cluster_arn: str


@dataclass(frozen=True)
class Move:
    """A transition from one region to the other.

    :param proxy_arn: ARN of the region proxy function.
    :param endpoints: the ARC cluster's endpoints, as ``{"Region": ..., "Endpoint": ...}``.
    """

    source: MoveRegion
    destination: MoveRegion
    proxy_arn: str
    endpoints: Sequence[dict[str, str]]
    global_cluster: str

    def definition(self) -> str:
        """Return the definition of the state machine that makes the transition."""
        comment = f"Move the application from {self.source.region} to {self.destination.region}"
        urls, regions = (",".join(one[key] for one in self.endpoints) for key in ("Endpoint", "Region"))
        split = f"States.StringSplit('{urls}', ',')"
        endpoints = {
            "arcEndpointsArray.$": split,
            "arcEndpointRegionsArray.$": f"States.StringSplit('{regions}', ',')",
            "select.$": f"States.MathRandom(0, States.ArrayLength({split}))",
        }
        picked = {
            "arcEndpoint.$": "States.ArrayGetItem($.Input.arcEndpointsArray, $.Input.select)",
            "arcRegion.$": "States.ArrayGetItem($.Input.arcEndpointRegionsArray, $.Input.select)",
        }
        describe = {"GlobalClusterIdentifier": self.global_cluster}
        available = {"Variable": "$.polling.GlobalClusters[0].Status", "StringEquals": "available"}
        states = {
            "ParseInput": asl.give(endpoints, into="$.Input"),
            "SelectEndpoint": asl.give(picked, into="$.Endpoint"),
            "StopSource": self._set_flag(self.source, "true", "$.StopSource"),
            "WaitForParameterPropagation": asl.wait(PARAMETER_PROPAGATION_S),
            "SwitchRoute53Arc": self._switch_routing(),
            "SwitchOver": self._switch_over(),
            "DescribeGlobalCluster": asl.call("rds:describeGlobalClusters", describe, into="$.polling"),
            "IsClusterAvailable?": asl.choose({**available, "Next": "StartDestination"}, otherwise="Wait Polling"),
            "Wait Polling": asl.wait(POLLING_S, next="DescribeGlobalCluster"),
            "StartDestination": self._set_flag(self.destination, "false", "$.StartDestination"),
        }
        return asl.machine(states, comment, TIMEOUT_S)

    def _set_flag(self, side: MoveRegion, value: str, into: str) -> asl.State:
        item = {"PK": {"S": "stopFlag"}, "value": {"S": value}}
        return self._in_region(side.region, "dynamodb", "PutItem", {"TableName": side.flag_table, "Item": item}, into)

    def _switch_over(self) -> asl.State:
        target = {"TargetDbClusterIdentifier": self.destination.database_cluster_arn, "AllowDataLoss": False}
        parameters = {"GlobalClusterIdentifier": self.global_cluster, **target}
        return self._in_region(self.destination.region, "rds", "FailoverGlobalCluster", parameters, "$.SwitchOver")

    def _switch_routing(self) -> asl.State:
        states = {self.source.routing_control_arn: "Off", self.destination.routing_control_arn: "On"}
        entries = [{"RoutingControlArn": arn, "RoutingControlState": state} for arn, state in states.items()]
        payload = {
            "endpoint.$": "$.Endpoint.arcEndpoint",
            "targetRegion.$": "$.Endpoint.arcRegion",
            "service": "route53-recovery-cluster",
            "action": "UpdateRoutingControlStates",
            "parameters": {"UpdateRoutingControlStateEntries": entries},
        }
        return asl.invoke(self.proxy_arn, payload, into="$.SwitchRoute53Arc")

    def _in_region(self, region: str, service: str, action: str, parameters: dict[str, Any], into: str) -> asl.State:
        call = {"targetRegion": region, "service": service, "action": action, "parameters": parameters}
        return asl.invoke(self.proxy_arn, call, into)


@dataclass(frozen=True)
class Initiator:
    """A state machine that starts a failover when no failover or failback is running and both alarms are in ALARM.

    :param alarms: name of the alarm by region; the first region is the machine's own.
    """

    failover_arn: str
    failback_arn: str
    proxy_arn: str
    alarms: dict[str, str]

    def definition(self) -> str:
        """Return the definition of the state machine."""
        (own, own_alarm), (other, other_alarm) = self.alarms.items()
        reading = {"targetRegion": other, "service": "cloudwatch", "action": "DescribeAlarms"}
        again = {"attempt.$": "States.MathAdd($.attempts.attempt, 1)"}
        states = {
            "ParseInput": asl.give({"input.$": "$", "attempts": {"attempt": 1}}),
            "ListFailovers": self._running(self.failover_arn, "$.failovers"),
            "ListFailbacks": self._running(self.failback_arn, "$.failbacks"),
            "IsMoving?": asl.choose(
                {"Variable": "$.failovers.Executions[0]", "IsPresent": True, "Next": "AlreadyMoving"},
                {"Variable": "$.failbacks.Executions[0]", "IsPresent": True, "Next": "AlreadyMoving"},
                otherwise="DescribeOwnAlarm",
            ),
            "DescribeOwnAlarm": asl.call("cloudwatch:describeAlarms", {"AlarmNames": [own_alarm]}, into="$.own"),
            "DescribeOtherAlarm": asl.invoke(
                self.proxy_arn, {**reading, "parameters": {"AlarmNames": [other_alarm]}}, into="$.other"
            ),
            "AreBothInAlarm?": asl.choose(
                {
                    "And": [
                        {"Variable": "$.own.MetricAlarms[0].StateValue", "StringEquals": "ALARM"},
                        {"Variable": "$.other.Payload.MetricAlarms[0].StateValue", "StringEquals": "ALARM"},
                    ],
                    "Next": "StartFailover",
                },
                {
                    "Variable": "$.attempts.attempt",
                    "NumericGreaterThanEquals": INITIATOR_ATTEMPTS,
                    "Next": "NotBothInAlarm",
                },
                otherwise="Wait Alarms",
            ),
            "Wait Alarms": asl.wait(POLLING_S),
            "CountAttempt": {**asl.give(again, into="$.attempts"), "Next": "DescribeOwnAlarm"},
            "AlreadyMoving": asl.fail("AlreadyMoving", "a failover or failback is running"),
            "NotBothInAlarm": asl.fail("NotBothInAlarm", f"{own} and {other} are not both in ALARM"),
            "StartFailover": asl.call("sfn:startExecution", {"StateMachineArn": self.failover_arn}, into="$.started"),
        }
        return asl.machine(states, "Start a failover when both regions see the home region fail", TIMEOUT_S)

    @staticmethod
    def _running(machine_arn: str, into: str) -> asl.State:
        return asl.call("sfn:listExecutions", {"StateMachineArn": machine_arn, "StatusFilter": "RUNNING"}, into=into)
