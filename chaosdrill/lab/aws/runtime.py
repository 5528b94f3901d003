"""Context of every patch while the endpoint runs: the plan, time scaling, and requests to the supervisor.

moto creates its backends itself, from classes, so the context cannot be passed to them: it is set once, before moto is
imported.
"""

import logging
import threading
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab import control_socket
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
    """Return the plan.

    :raises LabError: when :func:`use` was not called.
    """
    if _plan is None:
        raise LabError("the lab's AWS endpoint has no plan yet: call runtime.use(plan) first")
    return _plan


def strict(name: str) -> bool:
    """Return whether the lab has that behaviour of AWS: it was not started with ``--lenient NAME``.

    :raises KeyError: when there is no such behaviour.
    """
    LENIENT[name]
    return name not in plan().lenient


def hurry() -> None:
    """Shorten all waits to the minimum, including those that have begun: the drill's measurements have ended."""
    _hurried.set()


def scaled(reference_s: float) -> float:
    """Convert a wait time of the reference system to this lab's real seconds."""
    return reference_s * (SMALLEST_SCALE if _hurried.is_set() else plan().scale)


def endpoint_url() -> str:
    """Return the endpoint's URL for calls from this process; it is valid with and without namespaces."""
    return plan().aws_url_on_host


def ask(op: str, answer_within_s: float, **arguments: Any) -> Any:
    """Request an operation on a real part from the supervisor.

    :param answer_within_s: timeout in real seconds.
    :raises LabError: when the operation fails, or the supervisor ends or does not respond in time.
    """
    with control_socket.Connection(plan().control_socket, answer_within_s) as supervisor:
        return supervisor.call(op, **arguments)
