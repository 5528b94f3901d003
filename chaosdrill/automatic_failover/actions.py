"""Actions that enable and disable the automatic failover."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.automatic_failover.triggers import (
    ENABLED,
    UNDO_OF_DISABLING,
    WATCHED,
    WITH_MANAGEMENT_EVENTS,
    disable_rule,
    enable_rule,
    failover_since,
    is_enabled,
    latest_failover,
    rule_state,
    state_before,
    wait_until_idle,
)
from chaosdrill.aws import aurora, stepfunctions, system_of
from chaosdrill.aws.database_readiness import refuse_unready
from chaosdrill.aws.regions import any_region
from chaosdrill.errors import BadInput, Refused, problem

__all__ = ["disable_automatic_failover", "enable_automatic_failover"]


@action
def enable_automatic_failover(
    rule: str,
    region: Optional[str] = None,
    timeout_s: float = 120,
    state: Optional[str] = None,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Enable the EventBridge rule that starts the initiator when an alarm goes off.

    A rule that this run found in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS and disabled is returned to
    that state by PutRule, which replaces the rule: everything that DescribeRule shows is sent again. Targets and tags
    stay. That needs ``events:PutRule``, and ``iam:PassRole`` where the rule itself has a role.

    :param rule: the rule's name.
    :param region: where it is, by name or as home, standby, active; default: the topology's failover region.
    :param timeout_s: how long to retry when EventBridge does not respond, in seconds.
    :param state: ENABLED or ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS; default: that in which this run disabled the
        rule, else ENABLED.
    :param undo_of: the step that this undoes; without that step in this run, or when it changed nothing, nothing is
        done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, rule, region, was, is}``; ``done`` is false when a rule to restore is already in its state.
    :raises ActivityFailed: when there is no such rule; when, without ``undo_of``, it is enabled already (this drill
        would then not be allowed to disable it, and an enabled rule can start another failover while a failback ends);
        or when the database cannot be switched over to standby, so that a failover would stop halfway with every region
        closed. When PutRule is refused, the rule is ENABLED, and the message says how to restore its state.
    :undo: disable_automatic_failover
    :source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html and
        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    """
    if state not in (None, ENABLED, WITH_MANAGEMENT_EVENTS):
        raise BadInput(
            [problem("argument-invalid", f"state is {state!r}: write {ENABLED} or {WITH_MANAGEMENT_EVENTS}")]
        )
    system = system_of(configuration, secrets)
    region = any_region(system, region)
    wanted = state or state_before(region, rule)
    was = rule_state(system, region, rule)
    if undo_of is not None and was == wanted:
        return {"done": False, "rule": rule, "region": region, "was": was, "is": was, "why": f"it is {was} already"}
    refuse_unready(system, aurora.global_cluster(system), system.topology.regions.standby)
    if undo_of is None and is_enabled(was):
        raise Refused(
            f"the rule {rule} ({region}) is {was} already: nothing was changed; disable it before the drill and "
            "enable it again afterwards, because it can start another failover while the drill's failback ends",
            code="rule-enabled",
        )
    history.record(WATCHED, latest=latest_failover(system))
    history.record("undo", undo="disable_automatic_failover", arguments={"rule": rule, "region": region})
    enable_rule(system, region, rule, wanted)
    return {"done": True, "rule": rule, "region": region, "was": was, "is": wanted}


@action
def disable_automatic_failover(
    rule: str,
    region: Optional[str] = None,
    initiator_prefix: str = "FailoverInitiatorStateMachine",
    timeout_s: float = 300,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Disable the EventBridge rule, and wait until no initiator runs that could still start a failover.

    :param rule: the rule's name.
    :param region: where it is, by name or as home, standby, active; default: the topology's failover region.
    :param initiator_prefix: the beginning of the name of the initiator's state machine, or its ARN.
    :param timeout_s: how long to wait for the initiator, in seconds; the reference system's gives up after 100 s.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, rule, region, was, failover}``; ``failover`` is the ARN of one that was started meanwhile.
    :raises ActivityFailed: when there is no such rule or initiator, or the initiator does not end in time.
    :undo: enable_automatic_failover, which restores the state that the rule had
    :source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html
    """
    system = system_of(configuration, secrets)
    region = any_region(system, region)
    was = rule_state(system, region, rule)
    if is_enabled(was):
        history.record("undo", undo=UNDO_OF_DISABLING, arguments={"rule": rule, "region": region, "state": was})
        disable_rule(system, region, rule)
    wait_until_idle(system, stepfunctions.machine_arn(system, initiator_prefix), float(timeout_s))
    drill = history.current()
    failover = failover_since(system) if drill and drill.history.events(WATCHED) else None
    return {"done": is_enabled(was), "rule": rule, "region": region, "was": was, "failover": failover or None}
