"""Actions that start, change and stop the clients' load."""

import os
import time
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.load_generator import (
    LoadState,
    LoadWindow,
    NoLoadGenerator,
    end_load_generator,
    load_generator,
    open_load_generator,
    patiently,
)
from chaosdrill.errors import BadInput, CannotSee, Refused, problem
from chaosdrill.load import load_control, report
from chaosdrill.load.page_access import show_page_access

__all__ = ["change_load", "start_load", "stop_load"]

UNDO = "stop_load"


@action
def start_load(
    users: int = 10,
    spawn_rate_per_s: float = 1,
    host: str = "http://api.example.com",
    locustfile: str = "",
    within_s: float = 60,
    user_classes: Optional[list[str]] = None,
    run_time_s: Optional[int] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start the load: stop a running test, then begin a new one with new settings and empty statistics.

    It returns once all users are at work and first requests have been answered. When every request fails, or the load
    script raises, for the first 8 s, it fails at once and names the most common error. Where the topology has ``client:
    {run: local}`` or ``{run: ssm}``, it also starts Locust itself: on this machine, or on the client host. Otherwise it
    attaches to the Locust at the topology's ``client: {url: ...}``, or at the configuration's ``load_generator_url``,
    which must have been started with chaosdrill's plugin (``locust -f PLUGIN,SCRIPT``).

    :param users: number of users (clients), at least 1.
    :param spawn_rate_per_s: users added in a second, more than 0.
    :param host: base address the users call.
    :param locustfile: path of the load script that must be the running one; empty: any. A Locust that is started here
        runs it; empty: the reference application's own.
    :param within_s: how long it may take until all users run, in seconds.
    :param user_classes: names of the script's user classes to use; default: those that Locust was started with.
    :param run_time_s: after how many seconds, ramp-up included, Locust ends the load by itself; whole number. Windows
        cannot be judged from then on. Default: it runs until ``stop_load``.
    :param region: of the client host that Locust is started on (``client: {run: ssm}``), by name or as home, standby,
        active; default: the topology's.
    :param instance_id: that client host; default: the topology's.
    :param standalone: allow it without an open drill.
    :returns: ``{"users", "workers", "host", "locustfiles", "user_classes", "url", "seconds"}``.
    :raises ActivityFailed: when Locust refuses, runs another script, has no such user class, too few workers, every
        request fails, or the users are not at work in time.
    :undo: ``stop_load``
    :source: docs/load.md, "When a load does not begin or end"; https://docs.locust.io/en/stable/quickstart.html
    """
    _check(users, spawn_rate_per_s, locustfile, user_classes, run_time_s)
    started, names = time.monotonic(), list(user_classes or [])
    history.record("undo", undo=UNDO, arguments=_host(region, instance_id))
    generator = open_load_generator(
        configuration, secrets, locustfile, float(within_s), ChosenHost(region, instance_id)
    )
    show_page_access(generator)
    before = patiently(generator.state, float(within_s))
    load_control.refuse_shape(generator, before)
    load_control.refuse_unknown_classes(generator, before, names)
    load_control.stop_and_wait(generator, float(within_s))
    load_control.wait_for_workers(generator, before, float(within_s))
    settings = {"users": users, "spawn_rate_per_s": spawn_rate_per_s, "host": host, "run_time_s": run_time_s}
    history.record("load-starting", url=generator.url, user_classes=names, **settings)
    generator.reset()
    patiently(lambda: generator.choose_user_classes(names), float(within_s))
    since_s = patiently(generator.state, float(within_s)).now_s
    generator.swarm(int(users), float(spawn_rate_per_s), host, None if run_time_s is None else float(run_time_s))
    start_check = load_control.StartCheck(host, since_s)
    window = load_control.wait_until_at_work(generator, int(users), since_s, host, float(within_s), start_check)
    history.record(
        "load-started", generator_s=window.load.now_s, users=window.load.user_count, workers=window.load.workers
    )
    return _summary(window, generator.url, started)


@action
def change_load(
    users: int,
    spawn_rate_per_s: float = 1,
    within_s: float = 60,
    undo_of: Optional[str] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Change the number of users of the running load; the test and its statistics continue.

    It returns once exactly so many users are at work. The end of a run time does not move.

    :param users: the new number of users (clients), at least 1.
    :param spawn_rate_per_s: users added, or taken away, in a second, more than 0.
    :param within_s: how long it may take until so many users run, in seconds.
    :param undo_of: name of the activity this undoes; when this run did not begin it, nothing is done.
    :param region: of the client host that Locust was started on, where that is not the topology's: as for
        ``start_load``.
    :param instance_id: likewise. Then also name the region: a role such as active may now be another one.
    :param standalone: allow it without an open drill.
    :returns: ``{"done", "before": {"users", "spawn_rate_per_s"}, "after": {"users", "spawn_rate_per_s"}, "seconds"}``;
        done is false when there were so many users already.
    :raises ActivityFailed: when no load runs, Locust refuses, or the users are not at work in time.
    :undo: ``change_load`` with the numbers of ``before``, or ``stop_load``
    :source: https://docs.locust.io/en/stable/quickstart.html (editing a running test)
    """
    if problems := load_control.problems_of_users(users, spawn_rate_per_s):
        raise BadInput(problems)
    generator, started = load_generator(configuration, secrets, ChosenHost(region, instance_id)), time.monotonic()
    state = patiently(generator.state, float(within_s))
    load_control.refuse_shape(generator, state)
    if state.state not in ("running", "spawning"):
        raise Refused(
            f"no load runs at {generator.url}, its state is {state.state!r}, so there is no load to change: "
            "start_load starts one",
            code="load-not-running",
        )
    before = _figures(state)
    if state.running and state.target_user_count == state.user_count == int(users):
        return {"done": False, "before": before, "after": before, "seconds": 0.0}
    history.record("undo", undo=UNDO, arguments=_host(region, instance_id), was=before)
    history.record("load-changing", before=before, users=users, spawn_rate_per_s=spawn_rate_per_s)
    left_s = None if state.ends_s is None else state.ends_s - state.now_s
    generator.swarm(int(users), float(spawn_rate_per_s), run_time_s=left_s)
    window = load_control.wait_until_at_work(generator, int(users), state.now_s, str(state.host), float(within_s))
    after = _figures(window.load)
    history.record("load-changed", generator_s=window.load.now_s, before=before, after=after)
    return {"done": True, "before": before, "after": after, "seconds": load_control.seconds_since(started)}


@action
def stop_load(
    undo_of: Optional[str] = None,
    recovery_within_s: float = 0,
    within_s: float = 60,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Stop the load and store Locust's own report and statistics; without a running test nothing is stopped.

    A Locust that ``start_load`` has started ends, too. If the report or the statistics are not available, the load is
    stopped all the same, and the result has the reason.

    :param undo_of: name of the activity this undoes; when this run did not begin it, nothing is done.
    :param recovery_within_s: wait at most so many seconds for a second without errors, so that a present outage of
        clients is observed to its end; the load is stopped in any case, and at once when the drill was interrupted.
    :param within_s: how long users may take to stop, in seconds: their tasks, their ``on_stop``, and Locust's own
        ``--stop-timeout`` count.
    :param region: of the client host that Locust was started on, where that is not the topology's: as for
        ``start_load``.
    :param instance_id: likewise. Then also name the region: a role such as active may now be another one.
    :param standalone: allow it without an open drill.
    :returns: ``{"done": whether there was a Locust to stop, "state": Locust's state, "recovered": whether clients were
        served at the end, or null when that was not waited for, "report": path of ``locust-report.html`` in the run
        directory, "statistics": path of ``locust-statistics.json``}``; where a path is null, ``report_problem`` or
        ``statistics_problem`` has the reason.
    :raises ActivityFailed: when users still run after ``within_s``.
    :undo: ``start_load``
    :source: docs/load.md, "When a load does not begin or end"; https://docs.locust.io/en/stable/retrieving-stats.html
    """
    try:
        generator = load_generator(configuration, secrets, ChosenHost(region, instance_id))
        state = patiently(generator.state, float(within_s))
        observed = time.monotonic()
    except NoLoadGenerator as nothing:
        return {"done": False, "why": str(nothing)}
    except CannotSee:
        if end_load_generator(configuration):  # it does not respond, but this drill started it: it ends in any case
            return {"done": True, "state": "ended", "recovered": None, "report": None, "statistics": None}
        raise
    recovered = load_control.wait_for_recovery(generator, state, float(recovery_within_s))
    kept = report.keep_report(generator)
    history.record("load-stopping", generator_s=_end_of(state, state.now_s + time.monotonic() - observed))
    try:
        stopped = load_control.stop_and_wait(generator, float(within_s))
        kept |= report.keep_statistics(generator)
    finally:
        end_load_generator(configuration)
    return {"done": True, "state": stopped.state, "recovered": recovered, **kept}


def _host(region: Optional[str], instance_id: Optional[str]) -> dict[str, str]:
    """Return the arguments that name the client host, as far as they were given."""
    named = {"region": region, "instance_id": instance_id}
    return {name: value for name, value in named.items() if value}


def _check(
    users: int, spawn_rate_per_s: float, locustfile: str, user_classes: Optional[list[str]], run_time_s: Optional[int]
) -> None:
    problems = load_control.problems_of_users(users, spawn_rate_per_s)
    ramp_up_s = 0.0 if problems else float(users) / float(spawn_rate_per_s)
    if locustfile and not os.path.isfile(locustfile):
        problems.append(problem("load-script-missing", f"locustfile: there is no file {locustfile!r}"))
    if user_classes is not None and not _names(user_classes):
        text = f"user_classes: {user_classes!r} is not a list of class names such as [AccountHolder]"
        problems.append(problem("argument-invalid", text))
    if run_time_s is not None and not load_control.is_positive_integer(run_time_s):
        text = f"run_time_s: {run_time_s!r} is not a whole number of seconds of at least 1"
        problems.append(problem("argument-invalid", text))
    elif run_time_s is not None and float(run_time_s) <= ramp_up_s:
        text = (
            f"run_time_s: {run_time_s} s is not longer than the {ramp_up_s:g} s in which {users} users are added "
            f"at {spawn_rate_per_s} a second: all of them would never be at work"
        )
        problems.append(problem("argument-invalid", text))
    if problems:
        raise BadInput(problems)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _figures(load: LoadState) -> dict[str, Any]:
    return {"users": load.target_user_count, "spawn_rate_per_s": load.spawn_rate_per_s}


def _end_of(state: LoadState, now_s: float) -> float:
    """Return when the load ended: now, or earlier, by itself; an idle Locust without a known test counts as ending
    now.
    """
    ended = state.state in load_control.IDLE and state.stopping_s is not None
    return state.stopping_s if ended and state.stopping_s is not None else now_s


def _summary(window: LoadWindow, url: str, started: float) -> dict[str, Any]:
    load = window.load
    return {
        "users": load.user_count,
        "workers": load.workers,
        "host": load.host,
        "locustfiles": list(load.locustfiles),
        "user_classes": list(load.user_classes),
        "url": url,
        "seconds": load_control.seconds_since(started),
    }
