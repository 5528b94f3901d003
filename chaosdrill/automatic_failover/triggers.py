"""The triggers of the automatic failover: an alarm's state, the rule, and the failovers that this run has not
started.
"""

import time
from typing import Any

from chaosdrill import history
from chaosdrill.aws import System, cloudwatch, stepfunctions
from chaosdrill.aws.ambiguous_result import change, describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import BadInput, CannotSee, DrillError, TimedOut, problem

ENABLED, DISABLED = "ENABLED", "DISABLED"
# Enabled, and the rule also receives CloudTrail's management events. PutRule sets this state; EnableRule does not. See:
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html
WITH_MANAGEMENT_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
_REPLACED_BY_PUT_RULE = ("EventPattern", "ScheduleExpression", "Description", "RoleArn", "EventBusName")
WATCHED = "automatic-failover-watched"
UNDO_OF_DISABLING = "enable_automatic_failover"
# the event of executions that the rollback fail_back waits for, see chaosdrill.failover.executions
STARTING = "execution-starting"


def alarm_state(system: System, region: str, alarm: str) -> str:
    """Read the state of an alarm: OK, ALARM or INSUFFICIENT_DATA.

    :raises CannotSee: when there is no such alarm.
    """
    found = cloudwatch.alarms(system, region, [alarm])
    if alarm not in found:
        raise CannotSee(f"there is no alarm {alarm} in {region}: correct `alarm` and `region`", code="alarm-missing")
    return str(found[alarm]["StateValue"])


def rule_state(system: System, region: str, rule: str) -> str:
    """Read the state of a rule: ENABLED, DISABLED or ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS; see
    :func:`is_enabled`.

    :raises BadInput: when there is no such rule.
    """
    return str(_described(system, region, rule)["State"])


def _described(system: System, region: str, rule: str) -> dict[str, Any]:
    client = system.client("events", region)
    try:
        found: dict[str, Any] = client.describe_rule(Name=rule)
    except client.exceptions.ResourceNotFoundException as error:
        raise BadInput(
            [problem("rule-missing", f"there is no EventBridge rule {rule} in {region}: correct `rule` and `region`")]
        ) from error
    return found


def is_enabled(state: str) -> bool:
    """Return whether a rule in that state forwards events."""
    return state.startswith(ENABLED)


def state_before(region: str, rule: str) -> str:
    """Return the state of the rule before this run first disabled it; ENABLED when it has not."""
    drill = history.current()
    for row in drill.history.events("undo") if drill else []:
        if row["undo"] == UNDO_OF_DISABLING:
            before = row["arguments"]
            if (before["region"], before["rule"]) == (region, rule):
                return str(before["state"])
    return ENABLED


def enable_rule(system: System, region: str, rule: str, state: str) -> None:
    """Set a rule to one of the two enabled states.

    It is set to ENABLED first, so that alarms start a failover again even if PutRule is refused.

    :raises DrillError: when that was not done, or whether it was is unknown.
    """
    _set_state(system, region, rule, ENABLED)
    if state == ENABLED:
        return
    try:
        _set_state(system, region, rule, state)
    except DrillError as error:
        raise DrillError(
            f"{error}. The rule is {ENABLED}: alarms start a failover, CloudTrail's management events do not reach it. "
            f"To restore it: aws events put-rule --region {region} --name {rule} --state {state}, with each of "
            f"{', '.join(_REPLACED_BY_PUT_RULE)} that describe-rule shows, because PutRule clears what is left out",
            code="half-done",
        ) from error


def disable_rule(system: System, region: str, rule: str) -> None:
    """Disable a rule.

    :raises DrillError: when that was not done, or whether it was is unknown.
    """
    _set_state(system, region, rule, DISABLED)


def _set_state(system: System, region: str, rule: str, state: str) -> None:
    client = system.client("events", region)

    def put() -> None:
        client.put_rule(**rule_update(system, region, rule, state))  # PutRule does not change its targets and tags

    by_state = {
        ENABLED: lambda: client.enable_rule(Name=rule),
        DISABLED: lambda: client.disable_rule(Name=rule),
        WITH_MANAGEMENT_EVENTS: put,
    }
    change(f"rule {rule} ({region}) {state}", by_state[state], lambda: rule_state(system, region, rule) == state)


def rule_update(system: System, region: str, rule: str, state: str) -> dict[str, Any]:
    """Return the parameters of the PutRule that sets a rule's state, with every attribute that it would otherwise
    clear.
    """
    found = _described(system, region, rule)
    return {"Name": rule, "State": state, **{name: found[name] for name in _REPLACED_BY_PUT_RULE if found.get(name)}}


def latest_failover(system: System) -> str:
    """Return the ARN of the failover machine's latest execution; empty when it has none."""
    machine = stepfunctions.machine_arn(system, system.topology.failover.failover_prefix)
    found = stepfunctions.latest(system, machine)
    return found.arn if found else ""


def failover_since(system: System) -> str:
    """Return the failover that started since the rule was enabled, and record it, so that rollbacks wait for it.

    :returns: its ARN; empty when there is none.
    :raises CannotSee: when this run has not recorded the latest failover before.
    """
    drill = history.current()
    watched = drill.history.events(WATCHED) if drill else []
    if not watched or drill is None:
        raise CannotSee(
            "it is unknown which failovers are older than this drill: run enable_automatic_failover first, in a drill",
            code="no-drill-open",
        )
    arn = latest_failover(system)
    if arn == watched[-1]["latest"]:
        return ""
    if arn not in [row["execution_arn"] for row in drill.history.events(STARTING)]:
        history.record(STARTING, what="automatic", execution_arn=arn)
    return arn


def wait_until_idle(system: System, initiator: str, timeout_s: float) -> None:
    """Wait until no execution of the initiator runs: one that still waits for the alarms could start a failover later.

    One that was started just before the rule was disabled is listed some seconds later, and so is the failover that it
    starts.

    :raises TimedOut: when one still runs after ``timeout_s`` seconds.
    """
    idle_s = time.monotonic()
    with describe_half_done("the rule is disabled, but an initiator may still run and start a failover"):
        for running in poll(lambda: stepfunctions.running(system, [initiator]), timeout_s):
            if running:
                idle_s = time.monotonic()
            elif time.monotonic() - idle_s > stepfunctions.consistent_within_s(system):
                return
    if not running:
        return
    raise TimedOut(
        f"after {timeout_s:g} s the initiator still runs, and may start a failover: {', '.join(running)}",
        code="execution-running",
    )
