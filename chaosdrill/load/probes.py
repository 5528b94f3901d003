"""Probes of the clients' responses. Each measuring probe opens a window when it is called and waits until it has
closed.

None of them returns a value for a load that was not there: no running test, fewer users or workers than intended at any
moment of the window, a task that raised, an endpoint without requests, or too few requests are "cannot see", never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.aws import System, system_of
from chaosdrill.aws.regions import region_named
from chaosdrill.client import resolve
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.load_generator import LoadWindow, RequestSelection, load_generator
from chaosdrill.errors import CannotSee, problem
from chaosdrill.load import windows

__all__ = ["error_ratio", "failures", "latency_ms", "load_health", "requests_per_s"]


@probe
def failures(
    window_s: float = 15,
    min_requests: int = 50,
    within_s: float = 0,
    endpoint: str = "",
    method: str = "",
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Return the number of failed requests in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: the fewest requests in the window from which a result is possible.
    :param within_s: for so many seconds begin again after each failure; default: one window.
    :param endpoint: only requests of this name, as Locust shows it, such as ``/transaction/{id}``; empty: all.
    :param method: of those only this method, such as ``POST``; empty: any.
    :param region: of those only the requests that this region answered, by the responses' own header, else by the
        address that answered: one of the topology, or home, standby, active; default: all, also unanswered ones.
    :returns: failed requests, 0 or more.
    :raises ActivityFailed: when the load did not run as intended through the window.
    :source: docs/load.md, "When a window can be judged"
    """
    return _seen(
        window_s, min_requests, RequestSelection(endpoint, method), region, configuration, secrets, float(within_s)
    ).failures


@probe
def error_ratio(
    window_s: float = 15,
    min_requests: int = 50,
    endpoint: str = "",
    method: str = "",
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Return failed requests divided by all requests, in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: the fewest requests in the window from which a result is possible.
    :param endpoint: only requests of this name, as Locust shows it, such as ``/transaction/{id}``; empty: all.
    :param method: of those only this method, such as ``POST``; empty: any.
    :param region: of those only the requests that this region answered, by the responses' own header, else by the
        address that answered: one of the topology, or home, standby, active; default: all, also unanswered ones.
    :returns: 0 to 1.
    :raises ActivityFailed: when the load did not run as intended through the window.
    :source: docs/load.md, "When a window can be judged"
    """
    window = _seen(window_s, min_requests, RequestSelection(endpoint, method), region, configuration, secrets, least=1)
    return window.failures / window.requests


@probe
def requests_per_s(
    window_s: float = 15,
    endpoint: str = "",
    method: str = "",
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Return the requests that ended per second, failed ones included, in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :param endpoint: only requests of this name, as Locust shows it, such as ``/transaction/{id}``; empty: all.
    :param method: of those only this method, such as ``POST``; empty: any.
    :param region: of those only the requests that this region answered, by the responses' own header, else by the
        address that answered: one of the topology, or home, standby, active; default: all, also unanswered ones.
    :returns: requests per second, more than 0; of a region also 0, when others answered.
    :raises ActivityFailed: when the load did not run as intended through the window.
    :source: docs/load.md, "When a window can be judged"
    """
    return _seen(window_s, 0, RequestSelection(endpoint, method), region, configuration, secrets).requests / float(
        window_s
    )


@probe
def latency_ms(
    percentile: float = 90,
    window_s: float = 15,
    min_requests: int = 50,
    endpoint: str = "",
    method: str = "",
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Return a percentile of the response times, failed requests included, in a window that begins now.

    :param percentile: above 0 and up to 100, such as 50, 99.9, or 100 for the longest.
    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: the fewest requests in the window from which a result is possible.
    :param endpoint: only requests of this name, as Locust shows it, such as ``/transaction/{id}``; empty: all.
    :param method: of those only this method, such as ``POST``; empty: any.
    :param region: of those only the requests that this region answered, by the responses' own header, else by the
        address that answered: one of the topology, or home, standby, active; default: all, also unanswered ones.
    :returns: milliseconds that so many percent of the requests did not exceed, within 2.5 %.
    :raises ActivityFailed: when the load did not run as intended through the window.
    :source: docs/load.md, "When a window can be judged"
    """
    window = _seen(
        window_s, min_requests, RequestSelection(endpoint, method, percentile), region, configuration, secrets, least=1
    )
    if window.percentile_ms is None:
        raise CannotSee(
            f"none of the {window.requests} requests in the window has a response time: the load script reports them "
            "without one (`request.fire(response_time=None)`)",
            code="load-times-unknown",
        )
    return round(window.percentile_ms, 3)


@probe
def load_health(
    region: Optional[str] = None,
    instance_id: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Return the present state of the load: whether users, workers and script are as intended.

    A tolerance can read ``summary``: ``{type: regex, target: summary, pattern: "^as meant$"}``.

    :param region: of the client host that Locust was started on, where that is not the topology's: as for
        ``start_load``.
    :param instance_id: likewise.
    :returns: ``{"summary": "as meant", or the problems, "healthy": whether there is no problem, "state": Locust's
        state, "users": at work, "target_users": requested, "workers": connected, "expected_workers": those the test
        began with, "exceptions": how many the load script's tasks raised in this test, "exception_messages": the first
        few, "user_classes", "host", "locustfiles", "ends_in_s": seconds until it ends by itself, or null}``.
    :raises ActivityFailed: when Locust does not respond.
    :source: https://docs.locust.io/en/stable/running-distributed.html (workers that are lost)
    """
    load = load_generator(configuration, secrets, ChosenHost(region, instance_id)).state()
    problems = load.problems()
    if load.exceptions:
        problems.append(problem("load-script-raised", f"the load script raised {load.exceptions} exceptions"))
    return {
        "summary": "; ".join(problems) or "as meant",
        "healthy": not problems,
        "state": load.state,
        "users": load.user_count,
        "target_users": load.target_user_count,
        "workers": load.workers,
        "expected_workers": load.workers_wanted,
        "exceptions": load.exceptions,
        "exception_messages": list(load.exception_messages),
        "user_classes": list(load.user_classes),
        "host": load.host,
        "locustfiles": list(load.locustfiles),
        "ends_in_s": None if load.ends_s is None else round(max(0.0, load.ends_s - load.now_s), 1),
    }


def _seen(
    window_s: float,
    min_requests: int,
    asked: RequestSelection,
    region: Optional[str],
    configuration: Optional[Configuration],
    secrets: Optional[Secrets],
    patience_s: float = 0.0,
    least: int = 0,
) -> LoadWindow:
    windows.check(window_s, min_requests, asked)
    if region:
        system = system_of(configuration, secrets)
        asked = replace(asked, region=region_named(system, region), regions_of=partial(_regions_of, system))
    needed = max(least, int(min_requests))
    return windows.wait_for_window(load_generator(configuration, secrets), window_s, needed, asked, patience_s)


def _regions_of(system: System, addresses: Sequence[str]) -> Mapping[str, str]:
    found = resolve.regions_of(system, addresses)
    return {address: region for address, region in found.items() if region != resolve.UNKNOWN_REGION}
