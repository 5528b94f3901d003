"""The automatic failover as a part of a drilled system: the rule that starts a failover when an alarm goes off."""

import shlex
from collections.abc import Iterable, Sequence
from typing import ClassVar

from chaosdrill.automatic_failover import rescue
from chaosdrill.automatic_failover.checks import checks
from chaosdrill.automatic_failover.triggers import (
    DISABLED,
    ENABLED,
    WITH_MANAGEMENT_EVENTS,
    is_enabled,
    rule_state,
    rule_update,
)
from chaosdrill.aws import System
from chaosdrill.aws.regions import any_region
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.fact_reading import fact_or_unreadable
from chaosdrill.parts.interface import (
    BasePart,
    Check,
    CheckContext,
    Fact,
    Leftover,
    PlannedCall,
    PlannedStep,
    Role,
    SweepScope,
    UndoRule,
    UndoStep,
)
from chaosdrill.topology import Topology


class AutomaticFailoverPart(BasePart):
    """The EventBridge rule, and the initiator that it starts."""

    name: ClassVar[str] = rescue.PART
    role: ClassVar[Role] = "trigger"
    facts: ClassVar[tuple[str, ...]] = ("off", "off-owed", "on", "on-owed")
    undo_rules: ClassVar[tuple[UndoRule, ...]] = (
        UndoRule("enable_automatic_failover", "disable_automatic_failover"),
        UndoRule("disable_automatic_failover", "enable_automatic_failover"),
    )

    def checks(self, context: CheckContext) -> Iterable[Check]:
        return checks(context)

    def leftovers(self, system: System, scope: SweepScope) -> Iterable[Leftover]:
        """List the rules whose state differs from the one that a dead run owes to restore."""
        for one in scope.owed:
            before = one.undo.before.get("arguments") or {}
            if one.undo.part != self.name or not {"region", "rule"} <= before.keys():
                continue
            region, rule, owed = str(before["region"]), str(before["rule"]), _state_owed(one.undo)
            if (state := rule_state(system, region, rule)) == owed:
                continue
            verb = "enable-rule" if is_enabled(owed) else "disable-rule"
            by_hand = shlex.join(["aws", "events", verb, "--name", rule, "--region", region])
            what = f"rule that is {state} and was {owed}"
            yield Leftover(self.name, "rule", rule, region, what, by_hand, one.run, one.undo.began, is_removable=False)

    def fact(self, system: System, run: str, owed: Sequence[OwedUndo] = ()) -> Fact:
        """Read whether the rules that the drill named are enabled.

        :returns: one of ``facts``; ``on-owed``: enabled, and it was disabled before the drill; ``off-owed``: disabled,
            and it was enabled before. ``off`` also where the drill named none. Details: ``{rules: {region/rule:
            state}}``.
        """
        return fact_or_unreadable(lambda: rescue.trigger_fact(system, owed))

    def planned_calls(self, system: System, step: PlannedStep, earlier: Sequence[PlannedCall]) -> Sequence[PlannedCall]:
        """List the writes that set the rule's state; a rule to restore is planned with its present state."""
        rule, region = step.arguments["rule"], any_region(system, step.arguments["region"])
        if step.action == "disable_automatic_failover":
            return (PlannedCall("events", "DisableRule", region, {"Name": rule}),)
        enable = PlannedCall("events", "EnableRule", region, {"Name": rule})
        is_restored = any((one.operation, one.region) == ("DisableRule", region) for one in earlier)
        state = step.arguments["state"] or (rule_state(system, region, rule) if is_restored else ENABLED)
        if state != WITH_MANAGEMENT_EVENTS:
            return (enable,)
        return (enable, PlannedCall("events", "PutRule", region, rule_update(system, region, rule, state)))

    def undo_steps(self, system: System, run: str, owed: Sequence[OwedUndo], fact: Fact) -> Sequence[UndoStep]:
        """List the steps: each rule disabled; and enabled again, where it was enabled before the drill."""
        return tuple(rescue.undo_steps(system, owed, fact))


def _state_owed(undo: OwedUndo) -> str:
    """Return the state to which an undo returns its rule."""
    recorded = (undo.before.get("arguments") or {}).get("state")
    return str(recorded or (DISABLED if undo.undo.startswith("disable") else ENABLED))


PART = AutomaticFailoverPart


def part_of(topology: Topology) -> AutomaticFailoverPart:
    """Return the part; an experiment may name a rule of any system."""
    return AutomaticFailoverPart()
