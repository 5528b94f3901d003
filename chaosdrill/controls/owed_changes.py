"""The undos that the steps of a drill owe, by the rules of the parts, and their numbers."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from chaosdrill.controls.activities import runs_no_action
from chaosdrill.parts.registry import part_of_action


class OwedChanges:
    """Numbers the changes of a run, from 1."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def of_step(self, step: Mapping[str, Any], arguments: Mapping[str, Any], dry: Any) -> dict[str, Any]:
        """Describe the undo that a step will owe, for its event ``activity-started``.

        :param step: its name, type, phase, module and function.
        :param arguments: of its call.
        :param dry: Chaos Toolkit's, of the step or of the experiment.
        :returns: ``{undone_by, part, role, number, lasts_s}``; for an action that owes nothing ``{undone_by: None}``;
            for a probe ``{}``.
        """
        if step["type"] != "action":
            return {}
        func = str(step["func"])
        part = part_of_action(func, str(step["module"]))
        if part is None or step["phase"] == "rollbacks" or runs_no_action(dry):
            return {"undone_by": None}
        rule = next(rule for rule in part.undo_rules if rule.action == func)
        facts = {"undone_by": rule.undo, "part": part.name, "role": part.role, "number": next(self._numbers)}
        lasts_s = rule.lasts_s(arguments)
        return facts if lasts_s is None else {**facts, "lasts_s": lasts_s}
