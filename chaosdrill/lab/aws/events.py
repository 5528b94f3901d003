"""CloudWatch alarms that send events to EventBridge, and EventBridge rules that start state machines.

Fixes: in moto 5.2.5 a change of an alarm's state sends no event, a rule cannot have a Step Functions target, a disabled
rule still sends its events, DescribeAlarms always returns composite alarms, and ListMetrics returns a metric at once.
"""

import json
import time
from typing import Any

import moto.cloudwatch.urls as cloudwatch_urls
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.events.models import Rule, events_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.utilities.arns import parse_arn

from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import scaled, strict

LISTED_AFTER_S = 900.0  # AWS: up to 15 minutes until ListMetrics returns a new metric
_send = Rule.send_to_targets


def _send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
    if not self.state.startswith("ENABLED"):  # or ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS
        return
    targets = self.targets
    machines = [target for target in targets if parse_arn(target["Arn"]).service == "states"]
    if self.event_pattern.matches_event(original_event):
        for machine in machines:
            _start(machine, original_event)
    self.targets = [target for target in targets if target not in machines]
    try:
        _send(self, original_event, transform_input)
    finally:
        self.targets = targets


def _start(target: dict[str, Any], event: Any) -> None:
    arn = parse_arn(target["Arn"])
    given = target.get("Input") or json.dumps(event, default=str)
    stepfunctions_parser_backends[arn.account][arn.region].start_execution(target["Arn"], execution_input=given)


class LabCloudWatchBackend(CloudWatchBackend):
    """moto's backend, which also sends an event to EventBridge when an alarm changes its state."""

    _url_module = cloudwatch_urls

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._began: dict[Series, float] = {}  # arrival of the first value of each series

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        """SetAlarmState."""
        before = getattr(self.alarms.get(alarm_name), "state_value", None)
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        if before != state_value:
            self._tell(alarm_name, {"value": state_value, "reason": reason}, {"value": before})

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """PutMetricData, which also stores when each series began."""
        for datum in metric_data:
            self._began.setdefault(_series(namespace, datum["MetricName"], datum.get("Dimensions") or []), time.time())
        super().put_metric_data(namespace, metric_data)

    def get_filtered_metrics(self, metric_name: str, namespace: str, dimensions: Any) -> list[Any]:
        """Return the metrics for ListMetrics, without those that began in the last minutes."""
        found = super().get_filtered_metrics(metric_name, namespace, dimensions)
        if not strict("metrics-listed-at-once"):
            return found
        known = time.time() - scaled(LISTED_AFTER_S)
        return [one for one in found if self._began.get(_series_of(one), 0.0) <= known]

    def _tell(self, alarm_name: str, state: dict[str, Any], previous: dict[str, Any]) -> None:
        detail = {"alarmName": alarm_name, "state": state, "previousState": previous}
        event = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Detail": json.dumps(detail),
            "Resources": [self.alarms[alarm_name].alarm_arn],
            "EventBusName": "default",
        }
        events_backends[self.account_id][self.region_name].put_events([event])


Series = tuple[str, str, frozenset[tuple[str, str]]]


def _series(namespace: str, name: str, dimensions: list[dict[str, str]]) -> Series:
    return namespace, name, frozenset((one["Name"], one["Value"]) for one in dimensions)


def _series_of(datum: Any) -> Series:
    return str(datum.namespace), str(datum.name), frozenset((one.name, one.value) for one in datum.dimensions or ())


class LabCloudWatchResponse(CloudWatchResponse):
    """moto's, without composite alarms in DescribeAlarms unless they are requested.

    :source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html (AlarmTypes)
    """

    def put_composite_alarm(self) -> ActionResult:
        """PutCompositeAlarm; its rule is not evaluated."""
        return self.put_metric_alarm()

    def describe_alarms(self) -> ActionResult:
        """DescribeAlarms."""
        kinds = {"MetricAlarm": "MetricAlarms", "CompositeAlarm": "CompositeAlarms"}
        wanted = self._get_param("AlarmTypes") or ["MetricAlarm"]
        found: Any = super().describe_alarms().result
        return ActionResult({name: found[name] if kind in wanted else [] for kind, name in kinds.items()})


def alarm_state(arn: str) -> str | None:
    """Return the state of an alarm; None when there is none with that ARN."""
    named = parse_arn(arn)
    alarms = cloudwatch_backends[named.account][named.region].alarms
    found = next((alarm for alarm in list(alarms.values()) if alarm.alarm_arn == arn), None)
    return None if found is None else str(found.state_value)


def install() -> None:
    """Use them in every region."""
    replace(cloudwatch_backends, "backend", LabCloudWatchBackend)
    cloudwatch_urls.url_paths["{0}/$"] = LabCloudWatchResponse.dispatch
    replace(Rule, "send_to_targets", _send_to_targets)
