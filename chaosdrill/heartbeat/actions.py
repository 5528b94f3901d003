"""Actions that start and stop the heartbeat."""

import time
from typing import Any, Optional
from urllib.parse import urlsplit

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.aws.ambiguous_result import FAILURES, both_told, describe_half_done
from chaosdrill.aws.polling import poll_times
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.heartbeat import NoHeartbeat, heartbeat_to_stop, open_heartbeat, why_no_writes
from chaosdrill.client.heartbeat_process import SOURCE, HeartbeatProcess
from chaosdrill.errors import BadInput, problem
from chaosdrill.topology import topology_of

__all__ = ["start_heartbeat", "stop_heartbeat"]

GOOD_S = 6.0  # longer than the shortest sustained service
LIMITS = {"rate_per_s": (0.1, 1000.0), "deadline_s": (0.05, 60.0), "within_s": (1.0, 3600.0)}


@action
def start_heartbeat(
    rate_per_s: Optional[float] = None,
    deadline_s: Optional[float] = None,
    within_s: float = 60,
    host: Optional[str] = None,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start the heartbeat beside the load: requests at a constant rate, independent of the responses, each with a
    record.

    The topology's ``heartbeat:`` defines its requests. It writes only to the synthetic accounts named there; without
    them it only reads, and lost writes are not measured. The action returns once first beats got the expected response.

    :param rate_per_s: beats a second of each operation, 0.1 to 1000; default: the topology's, else 20 reads and 2
        writes, raised to up to 20 for at most 30 s around a transition, as far as they are settled that fast.
    :param deadline_s: a response that takes longer counts as none, in seconds, 0.05 to 60; default: the topology's,
        else 1.
    :param within_s: how long it may take until first beats were answered, in seconds.
    :param host: base address that it calls; default: ``http://`` and the topology's domain.
    :param region: of the client host that it is started on (``run: ssm``), by name or as home, standby, active;
        default: the topology's.
    :param instance_id: that client host; default: the topology's.
    :param standalone: allow it without an open drill.
    :returns: ``{"done": false when it was already running, "url", "operations", "rate_per_s", "write_rate_per_s",
        "deadline_s", "run", "writes", "why_no_writes", "seconds"}``.
    :raises ActivityFailed: when the topology has no ``heartbeat:``, the client host cannot run it, or no beat gets the
        expected response.
    :undo: ``stop_heartbeat``
    :source: docs/heartbeat.md; why the model is open: Schroeder et al., "Open Versus Closed", NSDI 2006
    """
    _check({"rate_per_s": rate_per_s, "deadline_s": deadline_s, "within_s": within_s}, host)
    began = time.monotonic()
    topology = topology_of(configuration)
    named = {"region": region, "instance_id": instance_id}
    history.record("undo", undo="stop_heartbeat", arguments={name: value for name, value in named.items() if value})
    heartbeat, new = open_heartbeat(
        configuration, secrets, rate_per_s, deadline_s, host, ChosenHost(region, instance_id)
    )
    told, why = heartbeat.settings, why_no_writes(topology)
    known = {"url": told["url"], "deadline_s": told["deadline_s"], "writes": heartbeat.writes, "why_no_writes": why}
    state = heartbeat.wait_until_it_beats(float(within_s)) if new else heartbeat.page.state()
    if new:
        more = {"source": SOURCE, "run_where": heartbeat.where, "timeout_s": told["timeout_s"]}
        more |= {name: told[name] for name in ("rate_per_s", "write_rate_per_s", "burst_per_s")}
        history.record("heartbeat-started", operations=state["operations"], **more, **known)
        with describe_half_done("the heartbeat was started and beats on; stop_heartbeat ends it"):
            heartbeat.collect()
    names = list(state["operations"])
    rates = {name: told[name] for name in ("rate_per_s", "write_rate_per_s")}
    answer = {"done": new, "operations": names, **rates, "run": heartbeat.where, **known}
    return {**answer, "seconds": round(time.monotonic() - began, 1)}


@action
def stop_heartbeat(
    undo_of: Optional[str] = None,
    recovery_within_s: float = 0,
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Stop the heartbeat and collect everything that it has recorded; without one nothing is done.

    :param undo_of: name of the activity this undoes; when this run did not begin it, nothing is done.
    :param recovery_within_s: wait at most so many seconds until every beat of some seconds got the expected response,
        so that a present outage of clients is observed to its end; it is stopped in any case, and at once when the
        drill was interrupted.
    :param region: of the client host that it was started on, where that is not the topology's: as for
        ``start_heartbeat``.
    :param instance_id: likewise.
    :param standalone: allow it without an open drill.
    :returns: ``{"done", "recovered": whether beats were answered at the end, or null when that was not waited for,
        "sent": beats by operation, "outcomes": {operation: {"answered", "refused", "timed_out", "failed"}}}``.
    :raises ActivityFailed: when it has died, or does not respond; its records are collected all the same. When it may
        still run, the error says so, and it can be stopped again.
    :undo: ``start_heartbeat``
    :source: docs/heartbeat.md
    """
    try:
        heartbeat = heartbeat_to_stop(configuration, secrets, ChosenHost(region, instance_id))
    except NoHeartbeat as nothing:
        return {"done": False, "why": str(nothing)}
    try:
        recovered = _recovered(heartbeat, float(recovery_within_s))
        state = heartbeat.stop()
    except FAILURES as error:
        with both_told(error):
            heartbeat.end()
        raise
    heartbeat.end()
    names = ("answered", "refused", "timed_out", "failed")
    outcomes = {name: dict(zip(names, counts, strict=True)) for name, counts in state["outcomes"].items()}
    sent = dict(zip(outcomes, state["sent"], strict=True))
    return {"done": True, "recovered": recovered, "sent": sent, "outcomes": outcomes}


def _recovered(heartbeat: HeartbeatProcess, within_s: float) -> Optional[bool]:
    """Return whether every beat of ``GOOD_S`` s got the expected response; None when that was not waited for."""
    if within_s <= 0 or history.interrupted():
        return None
    for _ in poll_times(within_s, heartbeat.poll_every_s):
        heartbeat.check()
        if heartbeat.kept.good_for_s(heartbeat.settings["deadline_s"]) >= GOOD_S:
            return True
        if history.interrupted():
            return None
    return False


def _check(given: dict[str, Optional[float]], host: Optional[str]) -> None:
    problems = []
    if host is not None and not urlsplit(host).hostname:
        text = f"host: {host!r} is no address: write one such as http://api.example.com"
        problems.append(problem("argument-invalid", text))
    for name, (least, most) in LIMITS.items():
        value = given[name]
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
        if value is not None and not right:
            text = f"{name}: {value!r} is not a number from {least:g} to {most:g}"
            problems.append(problem("argument-invalid", text))
    if problems:
        raise BadInput(problems)
