"""What the clients see. Each probe opens a window when it is called and waits until it has closed.

None of them answers for a load that was not there: no running test, fewer users than were asked for, a worker that
went away, a task that raised, or too few requests are "cannot see", never 0.
"""

from typing import Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import probe
from chaosdrill.client.load_generator import Window, load_generator
from chaosdrill.errors import BadInput, CannotSee

__all__ = ["error_ratio", "failures", "latency_ms", "requests_per_s"]

PERCENTILES = {50: "p50_ms", 90: "p90_ms", 100: "max_ms"}


@probe
def failures(
    window_s: float = 15,
    min_requests: int = 50,
    within_s: float = 0,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> int:
    """Number of failed requests in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: with fewer requests in the window nothing can be said.
    :param within_s: for so many seconds begin again after each failure; default: one window.
    :returns: failed requests, 0 or more.
    :raises ActivityFailed: when the load did not run as meant through the window.
    :source: runbook, step 1: no errors must occur
    """
    return _seen(window_s, min_requests, configuration, float(within_s)).failures


@probe
def error_ratio(
    window_s: float = 15,
    min_requests: int = 50,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Failed requests divided by all requests, in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: with fewer requests in the window nothing can be said.
    :returns: 0 to 1.
    :raises ActivityFailed: when the load did not run as meant through the window.
    :source: runbook, step 2-2: what Locust shows of the fault
    """
    window = _seen(window_s, min_requests, configuration)
    return window.failures / window.requests


@probe
def requests_per_s(
    window_s: float = 15,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Requests that ended per second, failed ones included, in a window that begins now.

    :param window_s: length of the window in seconds, more than 0.
    :returns: requests per second.
    :raises ActivityFailed: when the load did not run as meant through the window.
    :source: runbook, step 2-2: what Locust shows of the fault
    """
    return _seen(window_s, 0, configuration).requests / float(window_s)


@probe
def latency_ms(
    percentile: int = 90,
    window_s: float = 15,
    min_requests: int = 50,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> float:
    """Response time, failed requests included, in a window that begins now.

    :param percentile: 50, 90, or 100 for the longest.
    :param window_s: length of the window in seconds, more than 0.
    :param min_requests: with fewer requests in the window nothing can be said.
    :returns: milliseconds, within 2.5 %.
    :raises ActivityFailed: when the load did not run as meant through the window.
    :source: runbook, step 2-2: what Locust shows of the fault
    """
    if percentile not in PERCENTILES:
        raise BadInput([f"percentile: {percentile!r} is not one of {', '.join(map(str, PERCENTILES))}"])
    value = getattr(_seen(window_s, max(1, min_requests), configuration), PERCENTILES[percentile])
    return round(float(value), 3)


def _seen(
    window_s: float, min_requests: int, configuration: Optional[Configuration], patience_s: float = 0.0
) -> Window:
    if not float(window_s) > 0:
        raise BadInput([f"window_s: {window_s!r} is not a number of seconds greater than 0"])
    generator = load_generator(configuration)
    window = generator.closed_window(float(window_s), patience_s)
    if problems := list(_blindness(window, int(min_requests))):
        raise CannotSee(f"the load at {generator.url} cannot be judged: {'; '.join(problems)}")
    return window


def _blindness(window: Window, min_requests: int) -> list[str]:
    load, problems = window.load, []
    if load.state != "running":
        problems.append(f"its state is {load.state!r}, not 'running'")
    if load.user_count < load.target_user_count:
        problems.append(f"{load.user_count} of {load.target_user_count} users are at work (did a worker go away?)")
    if window.exceptions:
        problems.append(
            f"the load script raised {window.exceptions} exceptions, so requests are missing from the counts"
        )
    if window.requests < max(1, min_requests):
        length_s = window.until_s - window.since_s
        problems.append(
            f"{window.requests} requests ended in {length_s:.0f} s, at least {max(1, min_requests)} are needed"
        )
    return problems
