"""CloudWatch alarms that reach EventBridge, and EventBridge rules that start state machines.

Mends: in moto 5.2.5 an alarm's change of state goes nowhere, a rule knows no Step Functions target, a disabled rule
sends its events all the same, DescribeAlarms shows composite alarms to everybody, and ListMetrics shows a metric at
once.
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

LISTED_AFTER_S = 900.0  # the longest that AWS names: ListMetrics shows a new metric up to 15 minutes later
_send = Rule.send_to_targets


def _send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
    if not self.state.startswith("ENABLED"):  # with all CloudTrail management events, too
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
    """Tells EventBridge when an alarm changes its state."""

    _url_module = cloudwatch_urls

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._began: dict[Series, float] = {}  # when the first value of each series came

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        """SetAlarmState."""
        before = getattr(self.alarms.get(alarm_name), "state_value", None)
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        if before != state_value:
            self._tell(alarm_name, {"value": state_value, "reason": reason}, {"value": before})

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """PutMetricData; remembers when each series began."""
        for datum in metric_data:
            self._began.setdefault(_series(namespace, datum["MetricName"], datum.get("Dimensions") or []), time.time())
        super().put_metric_data(namespace, metric_data)

    def get_filtered_metrics(self, metric_name: str, namespace: str, dimensions: Any) -> list[Any]:
        """Those that ListMetrics shows: not what began in the last minutes."""
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
    """moto's; DescribeAlarms leaves composite alarms out when nobody asks for them.

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
    """:returns: the state of an alarm, None when there is none of that ARN."""
    named = parse_arn(arn)
    alarms = cloudwatch_backends[named.account][named.region].alarms
    found = next((alarm for alarm in list(alarms.values()) if alarm.alarm_arn == arn), None)
    return None if found is None else str(found.state_value)


def install() -> None:
    """Use them in every region."""
    replace(cloudwatch_backends, "backend", LabCloudWatchBackend)
    cloudwatch_urls.url_paths["{0}/$"] = LabCloudWatchResponse.dispatch
    replace(Rule, "send_to_targets", _send_to_targets)
