"""CloudWatch alarms that reach EventBridge, and EventBridge rules that start state machines.

Mends: in moto 5.2.5 an alarm's change of state goes nowhere, a rule knows no Step Functions target, and a disabled
rule sends its events all the same.
"""

import json
from typing import Any

import moto.cloudwatch.urls as cloudwatch_urls
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.events.models import Rule, events_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.utilities.arns import parse_arn

from chaosdrill.lab.aws.patching import replace

_send = Rule.send_to_targets


def _send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
    if self.state != "ENABLED":
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

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        """SetAlarmState."""
        before = getattr(self.alarms.get(alarm_name), "state_value", None)
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        if before != state_value:
            self._tell(alarm_name, {"value": state_value, "reason": reason}, {"value": before})

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


def alarm_state(arn: str) -> str | None:
    """:returns: the state of an alarm, None when there is none of that ARN."""
    named = parse_arn(arn)
    alarms = cloudwatch_backends[named.account][named.region].alarms
    found = next((alarm for alarm in list(alarms.values()) if alarm.alarm_arn == arn), None)
    return None if found is None else str(found.state_value)


def install() -> None:
    """Use them in every region."""
    replace(cloudwatch_backends, "backend", LabCloudWatchBackend)
    replace(Rule, "send_to_targets", _send_to_targets)
