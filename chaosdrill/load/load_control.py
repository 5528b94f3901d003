"""The parts of the load's actions: waiting for workers, and starting, changing and stopping a test."""

import logging
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chaosdrill import history
from chaosdrill.client.load_generator import LoadGenerator, LoadState, LoadWindow, patiently, wait_for
from chaosdrill.errors import BadInput, CannotSee, DrillError, Problem, Refused, TimedOut, problem

logger = logging.getLogger("chaostoolkit")

IDLE = ("ready", "stopped")
RECOVERED_S = 1.0
READY_AGAIN_S = 10.0
FAILING_S = 8.0
"""A load whose every request has failed for this long after its start does not recover: reported within 10 s."""
FAILED_FIRST_S = 3.0
"""How long ago the first request must have failed: a test whose first users start late gets more time."""


def number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def is_positive_integer(value: Any) -> bool:
    """Return whether a value is a whole number of at least 1."""
    return number(value) and float(value) == int(float(value)) and float(value) >= 1


def problems_of_users(users: Any, spawn_rate_per_s: Any) -> list[Problem]:
    """Return the problems of a number of users and a spawn rate."""
    problems = []
    if not is_positive_integer(users):
        problems.append(problem("argument-invalid", f"users: {users!r} is not a whole number of at least 1"))
    if not number(spawn_rate_per_s) or float(spawn_rate_per_s) <= 0:
        text = f"spawn_rate_per_s: {spawn_rate_per_s!r} is not a number greater than 0"
        problems.append(problem("argument-invalid", text))
    return problems


def refuse_shape(generator: LoadGenerator, state: LoadState) -> None:
    """Refuse a script that sets the number of users itself: Locust would ignore the requested one.

    :raises Refused: when the script has a LoadTestShape.
    """
    if state.shape:
        raise Refused(
            f"the script of the Locust at {generator.url} sets the number of users itself (LoadTestShape "
            f"{state.shape}), so no other can be set: use a script without it",
            code="load-shape-set",
        )


def refuse_unknown_classes(generator: LoadGenerator, state: LoadState, names: Sequence[str]) -> None:
    """Check the names of user classes: Locust would answer "success" for unknown ones.

    :raises BadInput: naming each class that the script does not have.
    """
    if unknown := [name for name in names if name not in state.user_classes_available]:
        raise BadInput(
            [
                problem(
                    "load-user-class-unknown",
                    f"user_classes: the script of the Locust at {generator.url} has no user class {name!r}: "
                    f"it has {', '.join(state.user_classes_available)}",
                )
                for name in unknown
            ]
        )


def wait_for_workers(generator: LoadGenerator, before: LoadState, within_s: float) -> None:
    """Wait for the workers: those that ran a test need a moment to be ready for the next one.

    :param before: the state before the test was stopped. Workers that were there and do not come back are not waited
        for long; the number that Locust was started to expect is required.
    :raises Refused: when they do not come.
    """
    had = before.workers if before.state not in IDLE else before.workers_wanted
    with suppress(TimedOut):
        wait_for(generator.state, lambda load: load.workers >= had, min(within_s, READY_AGAIN_S), "workers")
    wanted = before.workers_expected
    try:
        wait_for(generator.state, lambda load: load.workers >= wanted, within_s, f"{wanted} workers to be ready")
    except TimedOut as error:
        raise Refused(
            f"the Locust at {generator.url} does not have the {wanted} workers that it expects: {error}; start the "
            "missing ones (`locust --worker --master-host …`), or the master with fewer `--expect-workers`",
            code="load-workers-missing",
        ) from error


class StartCheck:
    """The check whether a load that begins can still succeed: whether every request has failed for too long.

    A load that the drill's method starts may begin in an outage: that is logged once, and waited for until the
    deadline.

    :param host: the address that the users call, for the message.
    :param since_s: when the test was started, on the load generator's clock.
    """

    def __init__(self, host: str, since_s: float) -> None:
        self._host, self._since_s, self._in_method = host, since_s, _in_method()
        self._failing_since_s: float | None = None
        self._reported = False

    def check(self, window: LoadWindow) -> LoadWindow:
        """Check a window, and return it.

        :raises DrillError: when every request has failed since the load began.
        :raises CannotSee: when no request has ended, and the script has raised.
        """
        now_s, raised = window.load.now_s, window.load.exceptions
        if window.requests > window.failures or not (window.failures or raised):
            self._failing_since_s = None
        elif self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._since_s >= FAILING_S and now_s - self._failing_since_s >= FAILED_FIRST_S:
            self._report(self._error(window, f"in the first {now_s - self._since_s:.0f} s of the load"))
        return window

    def _report(self, error: DrillError) -> None:
        if not self._in_method:
            raise error
        if not self._reported:
            logger.warning(f"  start_load: {error}")
        self._reported = True

    def _error(self, window: LoadWindow, so_far: str) -> DrillError:
        load = window.load
        if not window.failures:
            raised = f"{load.exceptions} exceptions, most often {load.exception_messages[0]!r}"
            text = f"no request to {self._host} has succeeded {so_far}, and the load script raised {raised}"
            return CannotSee(f"{text}: correct the load script", code="load-script-raised")
        error = f", most often with {load.errors[0][0]} ({load.errors[0][1]})" if load.errors else ""
        return DrillError(
            f"every request to {self._host} has failed {so_far}: {window.failures} of {window.requests}{error}; "
            "correct the load script or `host`, or repair the application first",
            code="load-requests-failing",
        )


def _in_method() -> bool:
    """Return whether the present step is one of the open drill's method."""
    drill = history.current()
    steps = drill.history.events("activity-started") if drill is not None else []
    return bool(steps) and steps[-1].get("phase") == "method"


def wait_until_at_work(
    generator: LoadGenerator,
    users: int,
    since_s: float,
    host: str,
    within_s: float,
    start_check: StartCheck | None = None,
) -> LoadWindow:
    """Return the window from ``since_s`` in which all users are at work and first requests were answered.

    :param start_check: gives up on a load that begins and whose every request fails; None: wait until the deadline.
    :raises CannotSee: when the users or workers are missing at the deadline: without them nothing is measured.
    :raises TimedOut: when they are there, and no request was answered in time.
    """

    def poll() -> LoadWindow:
        window = generator.window(since_s, generator.state().now_s)
        return window if start_check is None else start_check.check(window)

    what = f"{users} users at {generator.url} to start and first requests to {host} to get a response"
    try:
        return wait_for(
            poll,
            lambda window: _at_work(window.load, users) and window.requests > window.failures,
            within_s,
            what,
            code="load-not-answered",
        )
    except TimedOut as error:
        if not _at_work(generator.state(), users):
            raise CannotSee(str(error), code="load-not-running") from error
        raise


def _at_work(load: LoadState, users: int) -> bool:
    return load.running and load.target_user_count == load.user_count == users


def wait_for_recovery(generator: LoadGenerator, before: LoadState, within_s: float) -> bool | None:
    """Wait for a second without errors; return whether clients were served, or None when that was not waited for."""
    if history.interrupted() or not within_s or before.state in IDLE:
        return None
    try:
        window = generator.closed_window(RECOVERED_S, within_s)
    except CannotSee:
        return False
    return window.requests > 0 and not window.failures and not window.unrecorded


def stop_and_wait(generator: LoadGenerator, within_s: float) -> LoadState:
    """Stop the test, if one runs.

    :param within_s: how long the users' tasks and their ``on_stop`` may take, in seconds. Late responses of Locust
        count only against this.
    :returns: the load's last state.
    :raises TimedOut: when users still run after ``within_s`` seconds.
    """
    deadline = time.monotonic() + within_s
    if patiently(generator.state, within_s).state not in IDLE:
        generator.stop()
    try:
        left_s = max(0.0, round(deadline - time.monotonic(), 1))
        return wait_for(
            generator.state, lambda load: load.state in IDLE, left_s, f"the load at {generator.url} to stop"
        )
    except TimedOut as error:
        raise TimedOut(
            f"{error}; the stop was requested {within_s:g} s ago and goes on: give the step a `within_s` that is "
            "longer than the users' tasks, their on_stop and Locust's `--stop-timeout` take",
            code="load-not-stopped",
        ) from error


def seconds_since(started: float) -> float:
    """Return the time since ``started`` (monotonic), in tenths of a second."""
    return round(time.monotonic() - started, 1)
