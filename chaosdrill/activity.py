"""What every activity has in common: argument checks, undo, safeguards, and one place where errors become
``ActivityFailed``.

Decorate with :func:`probe` what only looks and with :func:`action` what changes the world. The wrapped function
keeps its signature, so Chaos Toolkit discovers and validates it as written.
"""

import functools
import inspect
import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from chaoslib.exceptions import ActivityFailed

from chaosdrill import history
from chaosdrill.aws import deadlines
from chaosdrill.errors import BadInput, CannotSee, DrillError, Refused, problem
from chaosdrill.misspelt import watch_imports

logger = logging.getLogger("chaostoolkit")
P = ParamSpec("P")
R = TypeVar("R")

WHEN_MISSED, WHEN_NOT_SEEN = WHEN = ("steady-state-missed", "steady-state-not-seen")
_NOT_DATA = ("configuration", "secrets")
AWS_ERRORS = (ClientError, BotoCoreError)
_WAITS = ("within_s", "timeout_s", "window_s", "baseline_window_s")

watch_imports()  # an experiment's activities are imported before its controls


def probe(function: Callable[P, R]) -> Callable[P, R]:
    """A probe: only reads. Errors become ``ActivityFailed``; an argument that still holds ``${`` is refused.

    An error of AWS's client becomes a :class:`CannotSee`: what was to be read is unknown. All of its calls to AWS
    together end one request's own timeout (:data:`deadlines.REQUEST_S`) after the time that its arguments give it to
    wait.
    """

    @functools.wraps(function)
    def look(*args: P.args, **kwargs: P.kwargs) -> R:
        with _errors_become_activity_failed():
            bound = _bound(function, args, kwargs)
            _refuse_unresolved(bound)
            try:
                with deadlines.ending(_waiting_s(bound) + deadlines.REQUEST_S):
                    return function(*args, **kwargs)
            except AWS_ERRORS as error:
                raise CannotSee(str(error), code="aws-request-failed") from error

    return look


def action(function: Callable[P, R]) -> Callable[P, Any]:
    """An action: changes the world. Beyond what :func:`probe` does:

    - ``undo_of`` (an argument of the function) names the step it undoes; when this run's history does not say that
      the step was begun, or says that it changed nothing, nothing is done and the answer says so;
    - ``when`` (an argument of the function) makes a rollback depend on the steady state after the method:
      ``steady-state-missed``: it was seen not to hold; ``steady-state-not-seen``: it was not seen to hold, also because
      a step failed before or somebody interrupted the drill; otherwise nothing is done and the answer says so;
    - ``timeout_s`` (an argument of the function) is the deadline of every call to AWS that it makes, too: the tries of
      each end with it;
    - on a target that is not the lab it refuses while no drill is open, unless ``standalone: true`` is written; what
      is neither true nor false, such as the text "false", is refused.
    """

    call: Callable[..., Any] = function

    @functools.wraps(function)
    def act(*args: P.args, **kwargs: P.kwargs) -> Any:
        with _errors_become_activity_failed():
            bound = _bound(function, args, kwargs)
            _refuse_unresolved(bound)
            _refuse_unclear_standalone(bound)
            patience_s = _patience_s(bound)
            idle = _nothing_to_undo(bound.get("undo_of")) or _not_called_for(bound.get("when"))
            if idle is not None:
                logger.info(f"  {function.__name__}: nothing done: {idle['why']}")
                return idle
            _refuse_outside_a_drill(function.__name__, bound)
            if "timeout_s" in bound:
                bound["timeout_s"] = patience_s
            with deadlines.within(patience_s):
                return call(**bound)

    return act


class _Failures(threading.local):
    """The error behind the last ``ActivityFailed`` of the thread: Chaos Toolkit keeps only its text."""

    last: BaseException | None = None


_failures = _Failures()


def take_failure() -> BaseException | None:
    """:returns: the error that made this thread's last activity fail, once; None when it did not, or is not ours.

    Chaos Toolkit calls an activity and the controls after it in one thread.
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


def _refuse_unclear_standalone(arguments: Mapping[str, Any]) -> None:
    """The text "false" would count as true, and with it the safeguards would be gone."""
    standalone = arguments.get("standalone", False)
    if not isinstance(standalone, bool):
        why = f"argument standalone: {standalone!r} is neither true nor false: write it without quotes"
        raise BadInput([problem("argument-invalid", why)])


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _refuse_unresolved(arguments: Mapping[str, Any]) -> None:
    problems = [
        problem(
            "variable-unresolved",
            f"argument {name}: {value!r} holds a variable that was not resolved: "
            "declare it under `configuration:` in the experiment, or correct its name",
        )
        for name, value in arguments.items()
        if name not in _NOT_DATA and "${" in str(value)
    ]
    if problems:
        raise BadInput(problems)


def _patience_s(arguments: Mapping[str, Any]) -> float:
    """:returns: how long the action may take, in seconds; infinite when it does not say.

    :raises BadInput: when what it says is no number of seconds.
    """
    if "timeout_s" not in arguments:
        return math.inf
    value = arguments["timeout_s"]
    seconds = _seconds(value)
    if not 0 <= seconds < math.inf:
        why = f"argument timeout_s: {value!r} is no number of seconds from 0 on: write one such as 600"
        raise BadInput([problem("argument-invalid", why)])
    return seconds


def _waiting_s(arguments: Mapping[str, Any]) -> float:
    """:returns: how long a probe may wait or measure, by its arguments, in seconds: all of those together. What is no
    number of seconds counts as 0.
    """
    found = (_seconds(arguments[name]) for name in _WAITS if name in arguments)
    return sum(seconds for seconds in found if 0 <= seconds < math.inf)


def _seconds(value: Any) -> float:
    """:returns: a number of seconds, NaN where it is none. A text is one where it reads so: variables are texts."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


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
    if when not in WHEN:
        why = f"argument when: {when!r}: write one of {', '.join(WHEN)}, or leave it out"
        raise BadInput([problem("argument-invalid", why)])
    drill = history.current()
    if drill is None:
        why = f"argument when: {when}: no drill is open, so nobody knows: use it in an experiment's rollbacks"
        raise BadInput([problem("no-drill-open", why)])
    steady = drill.steady_after()
    if steady is False or (steady is None and when == WHEN_NOT_SEEN):
        return None
    why = "the steady state held after the method" if steady else "nobody saw the steady state missed after the method"
    return {"done": False, "why": f"{why}, so this is not called for"}


def _refuse_outside_a_drill(name: str, arguments: Mapping[str, Any]) -> None:
    if history.current() is not None or arguments.get("standalone"):
        return
    from chaosdrill.topology import topology_of

    if topology_of(arguments.get("configuration")).target != "lab":
        raise Refused(
            f"{name} changes a system that is not the lab, and no drill is open: add the control "
            "chaosdrill.controls.drill to the experiment, or write `standalone: true` to go on without safeguards",
            code="no-drill-open",
        )
