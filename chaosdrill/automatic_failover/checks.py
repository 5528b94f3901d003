"""Checks of the automatic failover before a drill: no alarm may start a failover of its own during it."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.automatic_failover.triggers import alarm_state, is_enabled, rule_state
from chaosdrill.aws import System
from chaosdrill.aws.regions import any_region
from chaosdrill.parts.interface import Check, CheckContext, Reading

_ENABLE, _DISABLE = (f"automatic_failover.actions.{name}_automatic_failover" for name in ("enable", "disable"))
_ALARM = "automatic_failover.probes.alarm_state"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks of the rules and alarms that the experiment names."""
    system, switched_off = context.system, set()
    for step in context.steps_of(_ENABLE, _DISABLE):
        if step.function.endswith(_DISABLE) and step.stage in ("setup", "method") and "undo_of" not in step.arguments:
            switched_off.add(str(step.arguments.get("rule")))
    rules = dict.fromkeys(_named(context, "rule", _ENABLE, _DISABLE))
    for region, rule in rules:
        fix = f"`aws events disable-rule --region {region} --name {rule}`, or let a step of the setup disable it"
        read = partial(_rule, system, region, rule, rule in switched_off)
        yield Check("automatic_failover", "automatic_failover.rule", f"rule {rule} in {region}", fix, read, quick=True)
    for region, alarm in dict.fromkeys(_named(context, "alarm", _ALARM)):
        what = f"alarm {alarm} in {region}"
        fix = "find out why it is not OK: an alarm that is already on proves nothing"
        read = partial(_alarm, system, region, alarm)
        yield Check("automatic_failover", "automatic_failover.alarm", what, fix, read)


def _named(context: CheckContext, argument: str, *functions: str) -> Iterator[tuple[str, str]]:
    """List the regions and names that steps name under an argument."""
    for step in context.steps_of(*functions):
        if name := step.arguments.get(argument):
            yield any_region(context.system, step.arguments.get("region")), str(name)


def _rule(system: System, region: str, rule: str, switched_off: bool) -> Reading:
    state = rule_state(system, region, rule)
    if not is_enabled(state):
        return Reading(state)
    if switched_off:
        return Reading(f"{state}, and a step of the experiment disables it")
    why = f"the rule is {state}: an alarm can start a failover during the drill"
    return Reading(state, "refuse", why, code="rule-enabled")


def _alarm(system: System, region: str, alarm: str) -> Reading:
    state = alarm_state(system, region, alarm)
    if state == "ALARM":
        return Reading(state, "refuse", "the alarm is in ALARM already", code="alarm-in-alarm")
    return Reading(state) if state == "OK" else Reading(state, "warning", "the alarm has too little data")
