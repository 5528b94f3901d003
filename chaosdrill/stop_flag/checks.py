"""Checks of the stop flags before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System, dynamodb
from chaosdrill.parts.interface import Check, CheckContext, Reading


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: each region's flag can be read."""
    if not context.changes_regions():
        return
    for region, table in context.system.topology.stop_flag.tables.items():
        yield Check(
            "stop_flag",
            "stop_flag.readable",
            f"{table} in {region}",
            "allow dynamodb:GetItem, or correct `stop_flag:`",
            partial(_flag, context.system, region),
            quick=True,
        )


def _flag(system: System, region: str) -> Reading:
    return Reading("TRUE: closed" if dynamodb.stop_flag(system, region) else "FALSE: open")
