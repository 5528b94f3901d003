"""A state machine succeeds without executing one of its steps; there is one break per step."""

from functools import partial
from typing import Any

from chaosdrill.lab.misbehaviours.machine_definition import PREFIXES, redefine
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option

STEPS = {
    "StopSource": "the application stays open in the region that is left",
    "WaitForParameterPropagation": "no wait until the application has read its stop flag",
    "SwitchRoute53Arc": "the routing controls stay as they are",
    "SwitchOver": "the writer of the database does not move",
    "StartDestination": "the application stays closed in the region that is entered",
}


async def begin(lab: Lab, step: str, machine: str) -> ActiveBreak:
    """Replace the step by a Pass state, which succeeds and does nothing."""

    def skip(states: dict[str, Any]) -> None:
        onward = {key: states[step][key] for key in ("Next", "End") if key in states[step]}
        states[step] = {"Type": "Pass", **onward}

    return ActiveBreak(await redefine(lab, machine, skip))


BREAKS = tuple(
    Break(
        f"machine-skips-{step}",
        f"the state machine succeeds without its step {step}: {left}",
        "Step Functions' UpdateStateMachine: the step becomes a Pass state",
        partial(begin, step=step),
        (Option("machine", "failover", "Which of the two.", tuple(PREFIXES)),),
    )
    for step, left in STEPS.items()
)
