"""How an activity ended, from what Chaos Toolkit says about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.controls.tolerance import meets, resolved
from chaosdrill.errors import CannotSee

_OUR_ERROR = re.compile(r"^chaosdrill\.errors\.(\w+):", re.MULTILINE)
_PREFIX = re.compile(r"^(chaoslib\.exceptions\.ActivityFailed: )+")


@dataclass(frozen=True)
class Outcome:
    """How one activity ended.

    :param status: succeeded, failed, or interrupted (it did not end by itself).
    :param error_kind: name of the chaosdrill error behind a failure, or empty.
    :param tolerance_met: None when there is no tolerance, or nothing to compare with it.
    """

    status: str
    output: Any
    error: str
    error_kind: str
    tolerance: Any
    tolerance_met: bool | None

    @property
    def problem(self) -> str:
        """Why what follows must not build on this; empty when it may."""
        if self.status != "succeeded":
            return self.error or self.status
        if self.tolerance_met is False:
            return f"is {self.output!r}, expected {self.tolerance!r}"
        return ""


def outcome_of(
    activity: Mapping[str, Any],
    run: Mapping[str, Any] | None,
    dry: bool,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
) -> Outcome:
    """:returns: how ``activity`` ended; ``run`` is what Chaos Toolkit journals, None when it was interrupted."""
    if run is None or run.get("status") is None:
        return Outcome("interrupted", None, "", "", None, None)
    trace = "".join(run.get("exception") or ())
    kind = match.group(1) if (match := _OUR_ERROR.search(trace)) else ""
    tolerance = resolved(activity.get("tolerance"), configuration, secrets)
    if run["status"] != "succeeded":
        return Outcome(run["status"], run.get("output"), _message(run), kind, tolerance, None)
    if "tolerance" not in activity or dry:
        return Outcome("succeeded", run.get("output"), "", "", tolerance, None)
    try:
        met = meets(tolerance, run["output"], configuration, secrets)
    except CannotSee as blind:
        return Outcome("failed", run["output"], str(blind), "CannotSee", tolerance, None)
    return Outcome("succeeded", run["output"], "", "", tolerance, met)


def steady_state_met(state: Mapping[str, Any] | None) -> bool | None:
    """:returns: whether the steady state held, from what Chaos Toolkit journals; None when that was not seen to the
    end: a probe failed, or it was interrupted.
    """
    met = (state or {}).get("steady_state_met")
    probes = (state or {}).get("probes") or [{}]
    return None if met is None or (not met and probes[-1].get("status") != "succeeded") else bool(met)


def _message(run: Mapping[str, Any]) -> str:
    """The last exception of the trace, which may have many lines."""
    lines = list(run.get("exception") or ("no reason was given",))
    return in_short(lines[-1])


def in_short(error: str) -> str:
    """:returns: the text of an error without the name of the exception that Chaos Toolkit wants activities to raise."""
    return _PREFIX.sub("", error).strip()
