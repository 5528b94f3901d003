"""The judgement whether packet loss really took effect: latency against the baseline, and the drop counter. Pure.

Measured at 30 % ingress loss over windows of 10 s: half of them had no error and the median stayed at 2-3 ms, while p90
went from 2-7 to 225-417 ms and the mean from 2-4 to 95-147 ms: a lost packet costs a retransmission time-out, at least
200 ms. So neither the median nor the absence of errors shows anything; p90 and the mean do. A rise of errors counts
only together with an observed rise of the drop counter, because errors have many other causes.
"""

from dataclasses import dataclass

from chaosdrill.errors import CannotSee

TIMES = 2.0  # a clear rise has at least doubled ...
P90_MS = 100.0  # ... and grown by half of TCP's least retransmission time-out
MEAN_MS = 25.0  # ... or, for the mean, by what 1 in 8 requests hit by one time-out gives
ERRORS = 0.05  # ... or, where packets were dropped, 1 request in 20 more that failed
LEAST_REQUESTS = 10


@dataclass(frozen=True)
class ClientWindow:
    """The clients' requests in a window: requests and failures that ended in it, times in ms (None without
    requests).
    """

    requests: int
    failures: int
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    complete: bool


@dataclass(frozen=True)
class Drops:
    """The drop counter before the injection and after the window; None where it could not be read."""

    before: int | None
    after: int | None

    @property
    def rose(self) -> bool | None:
        """Whether packets were dropped since; None when that is unknown. A counter that fell was reset."""
        if self.before is None or self.after is None:
            return None
        return self.after > self.before or 0 < self.after < self.before


@dataclass(frozen=True)
class EffectJudgement:
    """The judgement and its reasons."""

    landed: bool
    p90_rose: bool
    mean_rose: bool
    errors_rose: bool
    drops_rose: bool | None


def effect(baseline: ClientWindow, window: ClientWindow, drops: Drops) -> EffectJudgement:
    """Compare a window under fault with the one before it.

    :returns: landed when packets were dropped (as far as that can be read) and p90 or the mean rose clearly; also when
        an observed counter rose and the share of failed requests rose clearly.
    :raises CannotSee: when one of the windows is not complete or holds fewer than 10 requests.
    """
    before_mean, before_p90 = _seen(baseline, "before the fault")
    mean, p90 = _seen(window, "under the fault")
    p90_rose = _rose(before_p90, p90, P90_MS)
    mean_rose = _rose(before_mean, mean, MEAN_MS)
    errors_rose = _error_ratio(window) - _error_ratio(baseline) >= ERRORS
    felt = p90_rose or mean_rose or (errors_rose and drops.rose is True)
    return EffectJudgement(drops.rose is not False and felt, p90_rose, mean_rose, errors_rose, drops.rose)


def _error_ratio(window: ClientWindow) -> float:
    return window.failures / window.requests


def _rose(before: float, after: float, by: float) -> bool:
    return after >= before * TIMES and after - before >= by


def _seen(window: ClientWindow, when: str) -> tuple[float, float]:
    if not window.complete:
        raise CannotSee(
            f"the load's window {when} is not complete: a worker of the load generator does not report",
            code="load-window-incomplete",
        )
    if window.requests < LEAST_REQUESTS or window.mean_ms is None or window.p90_ms is None:
        raise CannotSee(
            f"only {window.requests} requests ended in the window {when}, at least {LEAST_REQUESTS} are needed: start "
            "the load earlier, with more users, or lengthen the window",
            code="too-few-requests",
        )
    return window.mean_ms, window.p90_ms
