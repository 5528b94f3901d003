"""Execution of plans, round by round, until nothing is left that a rescue may do. Pure except for the functions
passed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosdrill.rescue.decisions import RescueRequest, RescueStep
from chaosdrill.rescue.facts import Facts
from chaosdrill.rescue.plan import RescuePlan, plan

Act = Callable[[RescueStep], str]


@dataclass(frozen=True)
class Round:
    """One plan, and the steps of it that failed, each with the text of its error."""

    plan: RescuePlan
    failed: tuple[tuple[RescueStep, str], ...]


def rescue(
    read: Callable[[], Facts],
    begin: Callable[[RescuePlan], None],
    act: Act,
    request: RescueRequest,
    tried: Sequence[str] = (),
) -> tuple[Round, ...]:
    """Read the facts, carry out the plan for them, and repeat as long as the plan continues.

    :param read: reads the present facts of all parts.
    :param begin: is called with each plan before its first step: it records the row's name, which is ``tried`` from
        then on, and may raise to end the rescue.
    :param act: makes a step; returns the text of the error when the step failed, otherwise an empty one.
    :param tried: see :func:`chaosdrill.rescue.plan.plan`.
    :returns: the rounds; the last one has what a person must do, if anything is still owed.
    """
    rounds: list[Round] = []
    while not rounds or rounds[-1].plan.continues:
        now = plan(read(), request, (*tried, *(one.plan.row.name for one in rounds)))
        begin(now)
        rounds.append(Round(now, _failed_steps(now.steps, act)))
    return tuple(rounds)


def _failed_steps(steps: Sequence[RescueStep], act: Act) -> tuple[tuple[RescueStep, str], ...]:
    """Make the steps; those after a failed needed step are left out."""
    failed = []
    for step in steps:
        if error := act(step):
            failed.append((step, error))
            if step.is_needed:
                break
    return tuple(failed)
