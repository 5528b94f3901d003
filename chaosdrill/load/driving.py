"""The steps of which the load's actions are made: wait for workers, begin, change and stop a test."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chaosdrill import history
from chaosdrill.client.load_generator import LoadGenerator, LoadState, Window, wait_for
from chaosdrill.errors import BadInput, CannotSee, Refused, TimedOut

IDLE = ("ready", "stopped")
RECOVERED_S = 1.0
READY_AGAIN_S = 10.0


def number(value: Any) -> bool:
    """:returns: whether it is a finite number."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def whole(value: Any) -> bool:
    """:returns: whether it is a whole number of at least 1."""
    return number(value) and float(value) == int(float(value)) and float(value) >= 1


def problems_of_users(users: Any, spawn_rate_per_s: Any) -> list[str]:
    """:returns: what is wrong with a number of users and how they are added."""
    problems = []
    if not whole(users):
        problems.append(f"users: {users!r} is not a whole number of at least 1")
    if not number(spawn_rate_per_s) or float(spawn_rate_per_s) <= 0:
        problems.append(f"spawn_rate_per_s: {spawn_rate_per_s!r} is not a number greater than 0")
    return problems


def refuse_shape(generator: LoadGenerator, state: LoadState) -> None:
    """:raises Refused: when the script itself sets the users: Locust would ignore what it is told."""
    if state.shape:
        raise Refused(
            f"the script of the Locust at {generator.url} sets the number of users itself (LoadTestShape "
            f"{state.shape}), so no other can be set: use a script without it"
        )


def refuse_unknown_classes(generator: LoadGenerator, state: LoadState, names: Sequence[str]) -> None:
    """:raises BadInput: naming each class that the script does not have: Locust would answer "success"."""
    if unknown := [name for name in names if name not in state.user_classes_available]:
        raise BadInput(
            [
                f"user_classes: the script of the Locust at {generator.url} has no user class {name!r}: "
                f"it has {', '.join(state.user_classes_available)}"
                for name in unknown
            ]
        )


def wait_for_workers(generator: LoadGenerator, before: LoadState, within_s: float) -> None:
    """Wait for the workers: those that ran a test need a moment to be ready for the next one.

    :param before: how it was before the test was stopped. Workers that had been there and do not come back are not
        waited for long; those that Locust was told to expect must come.
    :raises Refused: when they do not.
    """
    had = before.workers if before.state not in IDLE else before.workers_wanted
    with suppress(TimedOut):
        wait_for(generator.state, lambda load: load.workers >= had, min(within_s, READY_AGAIN_S), "workers")
    wanted = before.workers_expected
    try:
        wait_for(generator.state, lambda load: load.workers >= wanted, within_s, f"{wanted} workers to be ready")
    except TimedOut as error:
        raise Refused(
            f"the Locust at {generator.url} has {generator.state().workers} of {wanted} workers after {within_s:g} s: "
            "start the missing ones (`locust --worker --master-host …`), or the master with fewer `--expect-workers`"
        ) from error


def wait_until_at_work(generator: LoadGenerator, users: int, since_s: float, host: str, within_s: float) -> Window:
    """:returns: the window from ``since_s`` in which all users are at work and first requests were answered.

    :raises CannotSee: when the users or workers are not there in time: without them nothing is measured.
    :raises TimedOut: when they are, and no request was answered in time.
    """
    what = f"{users} users at {generator.url} to be at work and first requests to {host} to be answered"
    try:
        return wait_for(
            lambda: generator.window(since_s, generator.state().now_s),
            lambda seen: _at_work(seen.load, users) and seen.requests > seen.failures,
            within_s,
            what,
        )
    except TimedOut as error:
        if not _at_work(generator.state(), users):
            raise CannotSee(str(error), code="load-not-running") from error
        raise


def _at_work(load: LoadState, users: int) -> bool:
    return load.running and load.target_user_count == load.user_count == users


def wait_for_recovery(generator: LoadGenerator, within_s: float) -> bool | None:
    """:returns: whether clients were served in the end; None when that was not waited for."""
    if history.interrupted() or not within_s or generator.state().state in IDLE:
        return None
    try:
        window = generator.closed_window(RECOVERED_S, within_s)
    except CannotSee:
        return False
    return window.requests > 0 and not window.failures


def stop_and_wait(generator: LoadGenerator, within_s: float) -> LoadState:
    """Stop the test, if one runs.

    :returns: how the load was seen in the end.
    :raises TimedOut: when users still run after ``within_s`` seconds.
    """
    if generator.state().state not in IDLE:
        generator.stop()
    return wait_for(generator.state, lambda load: load.state in IDLE, within_s, f"the load at {generator.url} to stop")


def seconds_since(started: float) -> float:
    """:returns: how long it is since ``started`` (monotonic), in tenths of a second."""
    return round(time.monotonic() - started, 1)
