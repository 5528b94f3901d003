"""What every patch needs to know while the endpoint runs: the plan, how reference times scale, whom to ask.

moto makes its backends itself, from classes, so this cannot be handed to them: it is set once, before moto is imported.
"""

import logging
import threading
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab import wire
from chaosdrill.lab.plan import SMALLEST_SCALE, LabPlan
from chaosdrill.lab.strictness import LENIENT

logger = logging.getLogger("chaosdrill.lab.aws")
_plan: LabPlan | None = None
_hurried = threading.Event()


def use(plan: LabPlan) -> None:
    """Set the plan, once, before anything else of this package is used."""
    global _plan
    _plan = plan


def plan() -> LabPlan:
    """:raises LabError: when :func:`use` was not called."""
    if _plan is None:
        raise LabError("the lab's AWS endpoint has no plan yet: call runtime.use(plan) first")
    return _plan


def strict(name: str) -> bool:
    """:returns: whether the lab has that behaviour of AWS: it was not started with ``--lenient NAME``.

    :raises KeyError: when there is no such behaviour.
    """
    LENIENT[name]
    return name not in plan().lenient


def hurry() -> None:
    """From now on waits are as short as they can be, those that have begun, too: nobody measures any more."""
    _hurried.set()


def scaled(reference_s: float) -> float:
    """:returns: a wait of the reference system as real seconds in this lab."""
    return reference_s * (SMALLEST_SCALE if _hurried.is_set() else plan().scale)


def endpoint_url() -> str:
    """:returns: the endpoint as this process calls itself; it holds with and without namespaces."""
    return plan().aws_url_on_host


def ask(op: str, answer_within_s: float, **arguments: Any) -> Any:
    """Ask the supervisor to do something to a real part.

    :param answer_within_s: how long its answer may take, in real seconds.
    :raises LabError: when it says no, goes away or does not answer in time.
    """
    with wire.Connection(plan().control_socket, answer_within_s) as supervisor:
        return supervisor.call(op, **arguments)
