"""Rows of check results for ``topology check`` and ``rehearse``."""

from chaosdrill.aws import System
from chaosdrill.discovery.check_result import ReadPart
from chaosdrill.parts.interface import CheckContext
from chaosdrill.preflight.run import CheckResult, preflight


def check(system: System) -> list[ReadPart]:
    """Read every part of a topology, without an experiment and without a command on a host."""
    return [as_seen(one) for one in preflight(CheckContext(system))]


def as_seen(result: CheckResult) -> ReadPart:
    """Return the row of a result: trouble if it refuses, or if nothing could be read."""
    if result.outcome == "ok":
        return ReadPart(result.part, result.what, result.value)
    if result.outcome == "warning" and result.value:
        return ReadPart(result.part, result.what, f"{result.value} (warning: {result.why})", code=result.code)
    return ReadPart(result.part, result.what, "", str(result.why), result.fix, result.code)
