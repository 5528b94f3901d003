"""The outcome of an activity, from Chaos Toolkit's journal of it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws.deadlines import boot_s
from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.errors import CannotSee, DrillError, Refused, family_of

CLOCK_SET_S = 0.1  # a smaller change is the adjustment of the clock's rate, or the time between two readings
_PREFIX = re.compile(r"^(chaoslib\.exceptions\.ActivityFailed: )+")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one activity.

    :param status: succeeded, failed, or interrupted (it did not end by itself).
    :param error_kind: the class of :mod:`chaosdrill.errors` that the error behind a failure is an instance of, or
        empty.
    :param error_codes: the codes of that error; empty when it is neither chaosdrill's nor of a request to AWS.
    :param tolerance_met: None when there is no tolerance, or nothing to compare with it.
    """

    status: str
    output: Any
    error: str
    error_kind: str
    tolerance: Any
    tolerance_met: bool | None
    error_codes: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """Why later steps must not build on this one; empty when they may."""
        if self.status != "succeeded":
            return self.error or self.status
        if self.tolerance_met is False:
            return f"is {self.output!r}, expected {self.tolerance!r}"
        return ""


class StepClock:
    """A measurement of a step independent of Chaos Toolkit, whose durations are differences of wall times: setting
    the clock during a step makes them too long, too short or negative.
    """

    def __init__(self) -> None:
        self._began_s = boot_s()
        self._ahead_s = time.time() - self._began_s

    def duration_s(self, reported_s: float | None) -> float | None:
        """Correct a duration by how far the wall clock was set meanwhile.

        :param reported_s: Chaos Toolkit's, in seconds, without the step's pauses; None when it was interrupted.
        :returns: seconds; as reported unless the clock was set; including the pauses where no correction can be right.
        """
        if reported_s is None:
            return None
        set_by_s = time.time() - boot_s() - self._ahead_s
        if abs(set_by_s) < CLOCK_SET_S:
            return reported_s
        elapsed_s, duration_s = boot_s() - self._began_s, reported_s - set_by_s
        return round(duration_s if 0 <= duration_s <= elapsed_s else elapsed_s, 6)


def outcome_of(
    activity: Mapping[str, Any],
    run: Mapping[str, Any] | None,
    dry: bool,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    failure: BaseException | None = None,
) -> Outcome:
    """Determine the outcome of an activity.

    :param run: Chaos Toolkit's journal of it; None when it was interrupted.
    :param dry: whether its tolerance is ignored because it did not really run.
    :param failure: the error that made it fail, as :func:`chaosdrill.activity.take_failure` returns it.
    """
    if run is None or run.get("status") is None:
        return Outcome("interrupted", None, "", "", None, None)
    tolerance = resolved(activity.get("tolerance"), configuration, secrets)
    if run["status"] != "succeeded":
        kind = family_of(failure) if failure is not None else ""
        return Outcome(run["status"], run.get("output"), _message(run), kind, tolerance, None, _codes_of(failure))
    if "tolerance" not in activity or dry:
        return Outcome("succeeded", run.get("output"), "", "", tolerance, None)
    try:
        met = meets(tolerance, run["output"], configuration, secrets)
    except CannotSee as blind:
        return Outcome("failed", run["output"], str(blind), family_of(blind), tolerance, None, blind.codes)
    return Outcome("succeeded", run["output"], "", "", tolerance, met)


def not_begun(refusal: Refused) -> Outcome:
    """Return the outcome of an activity that was refused before it began."""
    return Outcome("failed", None, str(refusal), family_of(refusal), None, None, refusal.codes)


def _codes_of(failure: BaseException | None) -> tuple[str, ...]:
    if isinstance(failure, DrillError):
        return failure.codes
    return () if failure is None else ("aws-request-failed",)  # activities of chaosdrill fail with no other errors


def steady_state_met(state: Mapping[str, Any] | None) -> bool | None:
    """Return whether the steady state held, from Chaos Toolkit's journal; None when it was not checked to the end: a
    probe failed, or the check was interrupted.
    """
    met = (state or {}).get("steady_state_met")
    probes = (state or {}).get("probes") or [{}]
    return None if met is None or (not met and probes[-1].get("status") != "succeeded") else bool(met)


def _message(run: Mapping[str, Any]) -> str:
    """Return the last exception of the trace, which may have many lines."""
    lines = list(run.get("exception") or ("no reason was given",))
    return in_short(lines[-1])


def in_short(error: str) -> str:
    """Return the text of an error without the name of the exception that Chaos Toolkit makes activities raise."""
    return _PREFIX.sub("", error).strip()
