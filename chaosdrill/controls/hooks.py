"""Whether Chaos Toolkit calls the drill control at every step: what it does not call, it leaves out silently."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaoslib.control import get_context_controls

from chaosdrill.controls.arguments import activities_by_phase
from chaosdrill.errors import problem

MODULE = "chaosdrill.controls.drill"
Part = Mapping[str, Any]


def own_arguments(experiment: Part) -> Mapping[str, Any]:
    """:returns: the control's arguments as they are written: Chaos Toolkit hands them over resolved, unchecked."""
    return next((control["provider"].get("arguments") or {} for control in _own_controls(experiment)), {})


def problems_of_control(control: Part) -> list[str]:
    """:returns: what in the control itself keeps some of its hooks from being called."""
    problems = []
    if control.get("scope"):
        problems.append(f"control {control.get('name')}: scope: remove it: the drill needs the hooks before and after")
    if not control.get("automatic", True):
        problems.append(f"control {control.get('name')}: automatic: remove it: the drill must hear of every step")
    return problems


def problems_of_hooks(experiment: Part, setup: Sequence[Part]) -> list[str]:
    """:returns: a problem for everything in the experiment of which the control would not be told."""
    own = _own_controls(experiment)
    if not own:
        why = f"the control {MODULE} must stand under the experiment's own `controls:`, with its arguments"
        return [problem("control-missing", why)]
    if problems := problems_of_control(own[0]):
        return problems
    return [
        f"{part.get('name', 'steady-state-hypothesis')}: its own `controls:` keep the drill control out: remove them"
        for level, part in _parts(experiment, setup)
        if not any(_is_drill(control) for control in get_context_controls(level, experiment, part))
    ]


def _parts(experiment: Part, setup: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    if hypothesis := experiment.get("steady-state-hypothesis"):
        yield "hypothesis", hypothesis
    for activities in ({"setup": setup} | activities_by_phase(experiment)).values():
        yield from (("activity", activity) for activity in activities if isinstance(activity, Mapping))


def _own_controls(experiment: Part) -> list[Part]:
    return [control for control in experiment.get("controls") or () if _is_drill(control)]


def _is_drill(control: Part) -> bool:
    return bool((control.get("provider") or {}).get("module") == MODULE)
