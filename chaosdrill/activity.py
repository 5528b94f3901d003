"""The decorators of activities: argument checks, undo, safeguards, and the one place where errors become
``ActivityFailed``.

Decorate with :func:`probe` what only reads and with :func:`action` what changes the system. The wrapped function keeps
its signature, so Chaos Toolkit discovers and validates it as written.
"""

import functools
import inspect
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from chaoslib.exceptions import ActivityFailed

from chaosdrill import history
from chaosdrill.arguments import CHECKED, PASSED_BY_CHAOS_TOOLKIT, WHEN_NOT_SEEN, converted, problems_of_values
from chaosdrill.aws import deadlines, lease_guard
from chaosdrill.aws.polling import is_retryable, pause
from chaosdrill.errors import BadInput, CannotSee, DrillError, Problem, Refused, problem
from chaosdrill.history import stop_grace
from chaosdrill.import_guard import watch_imports

logger = logging.getLogger("chaostoolkit")
P = ParamSpec("P")
R = TypeVar("R")

AWS_ERRORS = (ClientError, BotoCoreError)
TRIES, AGAIN_AFTER_S = 3, 5.0  # tries of a rollback, and the wait between them
AGAIN_WITHIN_S = 30.0  # for a rollback without timeout_s: each try may wait for a long time
_WAITS = ("within_s", "timeout_s", "window_s", "baseline_window_s")

watch_imports()  # an experiment's activities are imported before its controls


def probe(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a probe, which only reads. Errors become ``ActivityFailed``; :mod:`chaosdrill.arguments` checks
    arguments.

    An error of the AWS client becomes a :class:`CannotSee`: the value is unknown. The deadline of the probe's calls to
    AWS is the time that its arguments allow it to wait, plus the timeout of one request (:data:`deadlines.REQUEST_S`).
    """
    call: Callable[..., R] = function

    @functools.wraps(function)
    def look(*args: P.args, **kwargs: P.kwargs) -> R:
        with _errors_become_activity_failed():
            bound = _checked(function, args, kwargs)
            try:
                with deadlines.ending(_waiting_s(bound) + deadlines.REQUEST_S):
                    return call(**bound)
            except AWS_ERRORS as error:
                raise CannotSee(str(error), code="aws-request-failed") from error

    return _marked(look)


def action(function: Callable[P, R]) -> Callable[P, Any]:
    """Decorate an action, which changes the system. It does what :func:`probe` does, and also:

    - ``undo_of`` (an argument of the function) names the step that it reverses. When this run's history does not say
      that the step began, or says that it changed nothing, the action does nothing and its result says so.
    - ``when`` (an argument of the function) makes a rollback depend on the steady state after the method:
      ``steady-state-missed`` (it was observed not to hold), or ``steady-state-not-seen`` (it was not observed to hold,
      also because a step failed earlier or the drill was interrupted). Otherwise the action does nothing and its result
      says so (``called_for: false``).
    - ``timeout_s`` (an argument of the function) is also the deadline of every call to AWS that it makes, with all its
      tries.
    - With ``undo_of``, and in the rollbacks, its changes may be sent after the run's lease has expired, unless another
      run has taken the lease over (see :mod:`chaosdrill.aws.lease_guard`).
    - In the rollbacks of a drill whose process is about to be killed, it refuses if it moves the application and would
      not end in time (see :mod:`chaosdrill.history.stop_grace`).
    - A rollback that fails for a reason that may pass, such as a request without a response, is tried three times
      within its ``timeout_s``.
    - It refuses while no drill is open, unless ``standalone: true`` is written. The text "true" is refused.
    """

    call: Callable[..., Any] = function

    @functools.wraps(function)
    def act(*args: P.args, **kwargs: P.kwargs) -> Any:
        with _errors_become_activity_failed():
            bound = _checked(function, args, kwargs)
            idle = _nothing_to_undo(bound.get("undo_of")) or _not_called_for(bound.get("when"))
            if idle is not None:
                logger.info(f"  {function.__name__}: nothing done: {idle['why']}")
                return idle
            _refuse_outside_a_drill(function.__name__, bound)
            _refuse_beyond_grace(function.__name__, bound)
            # read at the start: the rollbacks may begin while it runs
            undo = bound.get("undo_of") is not None or history.rolling_back()
            timeout_s = float(bound.get("timeout_s", math.inf))
            with deadlines.within(timeout_s), lease_guard.undoing(undo):
                if history.rolling_back():
                    again_s = timeout_s if "timeout_s" in bound else AGAIN_WITHIN_S
                    return _with_further_tries(function.__name__, lambda: call(**bound), again_s)
                return call(**bound)

    return _marked(act)


def _with_further_tries(name: str, undo: Callable[[], R], again_s: float) -> R:
    """Call a rollback, and try it again after a failure that may pass: a request without a response, or long
    throttling.

    Each rollback reads the present state before it changes anything, so a further try repeats no change.

    :param again_s: how long after the beginning another try may begin, in seconds.
    :raises Exception: what the last try raised.
    """
    until_s = time.monotonic() + again_s
    for _ in range(TRIES - 1):
        try:
            return undo()
        except (CannotSee, *AWS_ERRORS) as error:
            if not is_retryable(error) or history.target_lost() or time.monotonic() + AGAIN_AFTER_S >= until_s:
                raise
            logger.warning(f"  {name} failed and is tried again in {AGAIN_AFTER_S:g} s: {error}")
            history.record("rollback-tried-again", function=name, why=str(error))
        pause(AGAIN_AFTER_S)
    return undo()


class _Failures(threading.local):
    """The error behind the last ``ActivityFailed`` of the thread: Chaos Toolkit keeps only its text."""

    last: BaseException | None = None


_failures = _Failures()


def take_failure() -> BaseException | None:
    """Return the error that made this thread's last activity fail, and forget it.

    Chaos Toolkit calls an activity and the controls after it in one thread.

    :returns: None when the activity did not fail, or is not one of chaosdrill's.
    """
    error, _failures.last = _failures.last, None
    return error


class _errors_become_activity_failed:
    def __enter__(self) -> None:
        _failures.last = None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (DrillError, *AWS_ERRORS)):
            _failures.last = error
            raise ActivityFailed(str(error)) from error


def _marked(activity: Callable[P, R]) -> Callable[P, R]:
    vars(activity)[CHECKED] = True
    return activity


def _checked(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Bind the arguments of a call, with its defaults, and check them.

    :raises BadInput: with each argument that cannot be used.
    """
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    if problems := [*_unresolved(bound.arguments), *problems_of_values(function, bound.arguments)]:
        raise BadInput(problems)
    return converted(function, bound.arguments)


def _unresolved(arguments: Mapping[str, Any]) -> list[Problem]:
    return [
        problem(
            "variable-unresolved",
            f"argument {name}: {value!r} holds a variable that was not resolved: "
            "declare it under `configuration:` in the experiment, or correct its name",
        )
        for name, value in arguments.items()
        if name not in PASSED_BY_CHAOS_TOOLKIT and "${" in str(value)
    ]


def _waiting_s(arguments: Mapping[str, Any]) -> float:
    """Return how long a probe may wait or measure, in seconds: the sum of the arguments that say so."""
    return sum(float(arguments[name] or 0) for name in _WAITS if name in arguments)


def _nothing_to_undo(undo_of: str | None) -> dict[str, Any] | None:
    if undo_of is None:
        return None
    drill = history.current()
    if drill is not None and drill.may_have_done(undo_of):
        return None
    return {"done": False, "why": f"this run did not do {undo_of!r}, so there is nothing to undo"}


def _not_called_for(when: str | None) -> dict[str, Any] | None:
    if when is None:
        return None
    drill = history.current()
    if drill is None:
        why = (
            f"argument when: {when}: no drill is open, so the condition is unknown: use it in an experiment's rollbacks"
        )
        raise BadInput([problem("no-drill-open", why)])
    steady = drill.steady_after()
    if steady is False or (steady is None and when == WHEN_NOT_SEEN):
        return None
    held = "the steady state held after the method"
    why = held if steady else "the steady state was not observed to be missed after the method"
    return {"done": False, "called_for": False, "why": f"{why}, so this is not called for"}


def _refuse_beyond_grace(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a move back that would be cut off halfway because the process is being terminated."""
    if not history.rolling_back():
        return
    undo_of = arguments.get("undo_of")
    if why := stop_grace.too_long(name, undo_of, arguments.get("timeout_s")):
        history.record(stop_grace.LEFT_TO_RESCUE, function=name, undo_of=undo_of, why=why)
        raise Refused(f"{name}: {why}", code="left-to-rescue")


def _refuse_outside_a_drill(name: str, arguments: Mapping[str, Any]) -> None:
    if history.current() is None and not arguments.get("standalone"):
        raise Refused(
            f"{name} changes a system, and no drill is open: add the control chaosdrill.controls.drill to the "
            "experiment, or write `standalone: true` to run it without safeguards and rollbacks",
            code="no-drill-open",
        )
