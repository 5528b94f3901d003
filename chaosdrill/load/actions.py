"""Start and stop the clients' load."""

import os
import time
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.client.load_generator import HOW_TO_START, LoadGenerator, Window, load_generator, wait_for
from chaosdrill.errors import BadInput, CannotSee, Refused

__all__ = ["start_load", "stop_load"]

IDLE = ("ready", "stopped")
RECOVERED_S = 1.0


@action
def start_load(
    users: int = 10,
    spawn_rate_per_s: float = 1,
    host: str = "http://api.example.com",
    locustfile: str = "",
    within_s: float = 60,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Starts the load: a running test is stopped first, a new one begins with new settings and empty statistics.

    Returns once all users are at work and first requests have been answered.

    :param users: number of users (clients), at least 1.
    :param spawn_rate_per_s: users added in a second, more than 0.
    :param host: base address the users call.
    :param locustfile: path of the load script that must be the running one; empty: whichever runs.
    :param within_s: how long it may take until all users run, in seconds.
    :param standalone: allow it on a real system without an open drill.
    :returns: ``{"users", "workers", "host", "locustfiles", "seconds"}``.
    :raises ActivityFailed: when Locust refuses, runs another script, or the users are not at work in time.
    :undo: ``stop_load``
    :source: runbook, step 1
    """
    _check(users, spawn_rate_per_s, locustfile)
    generator, started = load_generator(configuration), time.monotonic()
    _refuse_other_script(generator, locustfile)
    _stop_and_wait(generator, within_s)
    history.record("load-starting", url=generator.url, users=users, spawn_rate_per_s=spawn_rate_per_s, host=host)
    since_s = generator.state().now_s
    generator.swarm(int(users), float(spawn_rate_per_s), host)
    window = wait_for(
        lambda: generator.window(since_s, generator.state().now_s),
        lambda seen: seen.load.running and seen.load.target_user_count == int(users) and seen.requests > seen.failures,
        within_s,
        f"{users} users at {generator.url} to be at work and first requests to {host} to be answered",
    )
    history.record(
        "load-started", generator_s=window.load.now_s, users=window.load.user_count, workers=window.load.workers
    )
    return _summary(window, round(time.monotonic() - started, 1))


@action
def stop_load(
    undo_of: Optional[str] = None,
    recovery_within_s: float = 0,
    within_s: float = 30,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Stops the load; without a running test nothing happens.

    :param undo_of: name of the activity this undoes; when this run did not begin it, nothing is done.
    :param recovery_within_s: wait at most so many seconds for a second without errors, so that an outage that clients
        are in is seen to its end; it is stopped in any case, and at once when the drill was interrupted.
    :param within_s: how long users may take to stop, in seconds.
    :param standalone: allow it on a real system without an open drill.
    :returns: ``{"done": true, "state": Locust's state, "recovered": whether clients were served at the end, or null
        when that was not waited for}``.
    :raises ActivityFailed: when users still run after ``within_s``.
    :undo: ``start_load``
    :source: runbook, step 1
    """
    generator = load_generator(configuration)
    recovered = None if history.interrupted() else _wait_for_recovery(generator, float(recovery_within_s))
    history.record("load-stopping", generator_s=generator.state().now_s)
    return {"done": True, "state": _stop_and_wait(generator, within_s), "recovered": recovered}


def _check(users: int, spawn_rate_per_s: float, locustfile: str) -> None:
    problems = []
    if not _number(users) or int(users) != float(users) or int(users) < 1:
        problems.append(f"users: {users!r} is not a whole number of at least 1")
    if not _number(spawn_rate_per_s) or float(spawn_rate_per_s) <= 0:
        problems.append(f"spawn_rate_per_s: {spawn_rate_per_s!r} is not a number greater than 0")
    if locustfile and not os.path.isfile(locustfile):
        problems.append(f"locustfile: there is no file {locustfile!r}")
    if problems:
        raise BadInput(problems)


def _number(value: Any) -> bool:
    try:
        return float(value) > float("-inf")
    except (TypeError, ValueError):
        return False


def _refuse_other_script(generator: LoadGenerator, locustfile: str) -> None:
    running = generator.state().locustfiles
    if locustfile and os.path.realpath(locustfile) not in running:
        raise Refused(
            f"the Locust at {generator.url} runs {', '.join(running) or 'no script'}, "
            f"not {os.path.realpath(locustfile)}: end it and {HOW_TO_START}; "
            "a lab of your own: `chaosdrill lab down`, then run the drill again"
        )


def _wait_for_recovery(generator: LoadGenerator, within_s: float) -> Optional[bool]:
    if not within_s or generator.state().state in IDLE:
        return None
    try:
        window = generator.closed_window(RECOVERED_S, within_s)
    except CannotSee:
        return False
    return window.requests > 0 and not window.failures


def _stop_and_wait(generator: LoadGenerator, within_s: float) -> str:
    if generator.state().state not in IDLE:
        generator.stop()
    seen = wait_for(generator.state, lambda load: load.state in IDLE, within_s, f"the load at {generator.url} to stop")
    generator.reset()
    return seen.state


def _summary(window: Window, seconds: float) -> dict[str, Any]:
    load = window.load
    return {
        "users": load.user_count,
        "workers": load.workers,
        "host": load.host,
        "locustfiles": list(load.locustfiles),
        "seconds": seconds,
    }
