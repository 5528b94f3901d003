"""Checks that Chaos Toolkit calls the drill control at every step: it skips a hook silently."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaoslib.control import get_context_controls, get_global_controls

from chaosdrill.controls.activities import activities_by_phase, provider_of
from chaosdrill.errors import problem

MODULE = "chaosdrill.controls.drill"
Part = Mapping[str, Any]


def own_arguments(experiment: Part) -> Any:
    """Return the control's arguments as they are written: Chaos Toolkit passes them resolved and unchecked."""
    return next((arguments_of_control(control) for control in _own_controls(experiment)), {})


def arguments_of_control(control: Part) -> Any:
    """Return the arguments as they are written, which need not be a mapping."""
    return provider_of(control).get("arguments", {})


def problems_of_control(control: Part) -> list[str]:
    """Return the settings of the control itself that keep some of its hooks from being called."""
    problems = []
    if control.get("scope"):
        problems.append(f"control {control.get('name')}: scope: remove it: the drill needs the hooks before and after")
    if not control.get("automatic", True):
        problems.append(f"control {control.get('name')}: automatic: remove it: the drill needs the hooks of every step")
    return [problem("control-incomplete", text) for text in problems]


def problems_of_hooks(experiment: Part, setup: Sequence[Part]) -> list[str]:
    """Return a problem for everything in the experiment that would keep a hook of the control from being called."""
    own = _own_controls(experiment)
    if not own:
        why = f"the control {MODULE} must stand under the experiment's own `controls:`, with its arguments"
        return [problem("control-missing", why)]
    if problems := problems_of_control(own[0]) + _problems_of_repetition(own):
        return problems
    return [
        problem("control-incomplete", f"{_name(part)}: its own `controls:` keep the drill control out: remove them")
        for level, part in _parts(experiment, setup)
        if not any(_is_drill(control) for control in get_context_controls(level, experiment, part))
    ]


def _problems_of_repetition(own: Sequence[Part]) -> list[str]:
    """Return a problem if the control is declared twice: Chaos Toolkit would call each hook twice."""
    elsewhere = [control for control in get_global_controls() if _is_drill(control)]
    if len(own) + len(elsewhere) == 1:
        return []
    where = "also in Chaos Toolkit's settings: remove it there" if elsewhere else "remove the second one"
    return [problem("control-repeated", f"the control {MODULE} stands in the experiment's `controls:` and {where}")]


def _name(part: Part) -> str:
    return str(part.get("name", "steady-state-hypothesis"))


def _parts(experiment: Part, setup: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    if hypothesis := experiment.get("steady-state-hypothesis"):
        yield "hypothesis", hypothesis
    for activities in ({"setup": setup} | activities_by_phase(experiment)).values():
        yield from (("activity", activity) for activity in activities if isinstance(activity, Mapping))


def _own_controls(experiment: Part) -> list[Part]:
    return [control for control in experiment.get("controls") or () if _is_drill(control)]


def _is_drill(control: Part) -> bool:
    provider = provider_of(control)
    return bool(provider.get("module") == MODULE and provider.get("type") == "python")
