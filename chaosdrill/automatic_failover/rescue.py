"""Rescue of the automatic failover's rules: reading and restoring them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chaosdrill.automatic_failover.triggers import (
    UNDO_OF_DISABLING,
    disable_rule,
    enable_rule,
    is_enabled,
    rule_state,
    wait_until_idle,
)
from chaosdrill.aws import System, aurora, stepfunctions
from chaosdrill.aws.database_readiness import refuse_unready
from chaosdrill.aws.regions import any_region
from chaosdrill.history.owed_undos import SYSTEM, OwedUndo
from chaosdrill.parts.interface import TRIGGER_BACK, TRIGGER_OFF, Fact, UndoStep, unneeded_step

PART = "automatic_failover"
INITIATOR_PREFIX = "FailoverInitiatorStateMachine"  # the default of disable_automatic_failover
IDLE_WITHIN_S = 300.0
_DISABLE = "disable_automatic_failover"


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule that a drill named.

    :param wanted: the state that it had before the drill, such as ENABLED; empty when the drill did not change it.
    :param pays: numbers of the owed undos that are paid when it is in that state.
    """

    region: str
    name: str
    initiator_prefix: str
    wanted: str = ""
    pays: tuple[int, ...] = ()

    @property
    def resource(self) -> str:
        """Its name in ``Fact.each``."""
        return f"{self.region}/{self.name}"

    @property
    def owed_state(self) -> str:
        """``on`` or ``off``, the state that it must have at the end; empty when none is owed."""
        return "" if not self.wanted else "on" if is_enabled(self.wanted) else "off"


def rules_of(system: System, owed: Sequence[OwedUndo]) -> list[Rule]:
    """List the rules that owed undos name; the first change of a rule has its state before the drill."""
    found: dict[tuple[str, str], Rule] = {}
    for undo in sorted(owed, key=lambda one: one.number):
        named = {**undo.arguments, **_recorded(undo)}
        if not named.get("rule"):
            continue
        region, name = any_region(system, named.get("region")), str(named["rule"])
        before = found.get((region, name), Rule(region, name, INITIATOR_PREFIX))
        initiator = str(undo.arguments.get("initiator_prefix") or before.initiator_prefix)
        wanted = before.wanted or _state_before(undo)
        found[region, name] = Rule(region, name, initiator, wanted, (*before.pays, undo.number))
    return list(found.values())


def _recorded(undo: OwedUndo) -> Mapping[str, Any]:
    """Return the arguments that the action recorded before its change; empty when it has changed nothing."""
    arguments = undo.before.get("arguments")
    return arguments if isinstance(arguments, Mapping) else {}


def _state_before(undo: OwedUndo) -> str:
    """Return the rule's state before the change; empty when there was no change."""
    if not (recorded := _recorded(undo)):
        return ""
    return str(recorded.get("state") or "ENABLED") if undo.action == _DISABLE else "DISABLED"


def trigger_fact(system: System, owed: Sequence[OwedUndo]) -> Fact:
    """Read the rules that the drill named; without one the fact is ``off``, because the topology names none."""
    rules = rules_of(system, owed)
    states = {rule.resource: rule_state(system, rule.region, rule.name) for rule in rules}
    each = {rule.resource: _value(states[rule.resource], rule.owed_state) for rule in rules}
    worst = next((value for value in ("on-owed", "on", "off-owed") if value in each.values()), "off")
    return Fact(worst, {"rules": states}, each)


def _value(state: str, owed: str) -> str:
    now = "on" if is_enabled(state) else "off"
    return now if owed in ("", now) else f"{now}-owed"


def undo_steps(system: System, owed: Sequence[OwedUndo], fact: Fact) -> Iterator[UndoStep]:
    """List the steps: to disable each rule, and to enable again those that were enabled before the drill."""
    for rule in rules_of(system, owed):
        yield _switch_off(system, rule, _own_debt(rule, fact))
        if rule.owed_state == "on":
            yield _switch_on(system, rule)
        elif not rule.owed_state:
            yield unneeded_step(PART, TRIGGER_BACK, f"nothing: the rule {rule.name} was not changed", rule.pays)


def _switch_off(system: System, rule: Rule, owes: OwedUndo | None) -> UndoStep:
    return UndoStep(
        PART,
        TRIGGER_OFF,
        f"disable the rule {rule.name} ({rule.region}), and wait until its initiator is idle",
        rule.pays if rule.owed_state == "off" else (),
        partial(_disable, system, rule),
        lambda: not is_enabled(rule_state(system, rule.region, rule.name)),
        rule.resource,
        owes,
    )


def _switch_on(system: System, rule: Rule) -> UndoStep:
    return UndoStep(
        PART,
        TRIGGER_BACK,
        f"bring the rule {rule.name} ({rule.region}) into the state {rule.wanted}",
        rule.pays,
        partial(_enable, system, rule),
        lambda: rule_state(system, rule.region, rule.name) == rule.wanted,
        rule.resource,
    )


def _own_debt(rule: Rule, fact: Fact) -> OwedUndo | None:
    """Return the undo that the rescue itself owes when it disables an enabled rule without an owed undo; it has no
    number yet.
    """
    state = str((fact.details.get("rules") or {}).get(rule.resource, ""))
    if rule.owed_state or not is_enabled(state):
        return None
    arguments = {"rule": rule.name, "region": rule.region}
    return OwedUndo(
        step="rescue",
        action=_DISABLE,
        kind=SYSTEM,
        undo=UNDO_OF_DISABLING,
        began=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        arguments={**arguments, "initiator_prefix": rule.initiator_prefix},
        part=PART,
        role="trigger",
        before={"arguments": {**arguments, "state": state}},
    )


def _disable(system: System, rule: Rule) -> Mapping[str, Any]:
    was = rule_state(system, rule.region, rule.name)
    if is_enabled(was):
        disable_rule(system, rule.region, rule.name)
    wait_until_idle(system, stepfunctions.machine_arn(system, rule.initiator_prefix), IDLE_WITHIN_S)
    return {"done": is_enabled(was), "was": was}


def _enable(system: System, rule: Rule) -> Mapping[str, Any]:
    was = rule_state(system, rule.region, rule.name)
    if was != rule.wanted:
        refuse_unready(system, aurora.global_cluster(system), system.topology.regions.standby)
        enable_rule(system, rule.region, rule.name, rule.wanted)
    return {"done": was != rule.wanted, "was": was}
