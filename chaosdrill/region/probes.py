"""Probes of the region state and its facts."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.aws import System, system_of
from chaosdrill.aws.polling import poll_until
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import BadInput, problem
from chaosdrill.region.facts import facts_of, read_region_facts
from chaosdrill.region.shared_reading import waiting
from chaosdrill.region.state import verdict
from chaosdrill.topology import topology_of

__all__ = ["region_facts", "region_state"]

INTERRUPTED_LAB_S = 5.0


@probe
def region_state(
    within_s: Optional[float] = None,
    expected: Optional[str] = None,
    region: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """Return the state of the regions together, from flags, routing controls, writer, DNS answer and running
    executions.

    Step Functions lists an execution some seconds after its start. An execution that this process has not started
    counts from then on: until then the state after it closed a region is ``dark``.

    :param within_s: wait up to so many seconds for ``expected``; default: read once. In an interrupted lab drill it is
        5 s at most: what takes longer there never happens, and a person waits for the end.
    :param expected: the state to wait for, such as ``serving(ap-northeast-1)`` or ``serving(home)``; default: any
        ``serving(...)``.
    :param region: instead: the region that should serve, by name or as home, standby, active.
    :returns: ``serving(<region>)``, ``moving``, ``dark``, ``split`` or ``unknown``, by the last reading.
    :raises ActivityFailed: when the topology is invalid, or has no such region.
    :source: docs/drill.md, "Region state"
    """
    topology = topology_of(configuration)
    wanted = _wanted(system_of(configuration, secrets), expected, region)

    def good(state: str) -> bool:
        return state == wanted if wanted else state.startswith("serving(")

    patience_s = float(within_s or 0)
    if history.interrupted() and topology.target == "lab":
        patience_s = min(patience_s, INTERRUPTED_LAB_S)
    with waiting():
        return poll_until(lambda: verdict(read_region_facts(configuration, secrets)), good, patience_s)


@probe
def region_facts(
    region: Optional[str] = None, configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None
) -> dict[str, Any]:
    """Return the facts behind the region state.

    :param region: only the facts of this region: one of the topology, or home, standby, active; default: of both.
    :returns: ``{flag, routing, writer, dns, running}``; ``{error}`` for each that cannot be read. For one region:
        ``{region, flag: whether it is closed, routing: On or Off, writer: whether the writer is there, dns: whether the
        domain resolves to it and nowhere else, running: executions of the failover pair}``.
    :raises ActivityFailed: when the topology is invalid, or has no such region.
    :source: docs/drill.md, "Region state"
    """
    name = None if region is None else region_named(system_of(configuration, secrets), region)
    facts = read_region_facts(configuration, secrets)
    return facts if name is None else facts_of(name, facts)


def _wanted(system: System, expected: Optional[str], region: Optional[str]) -> Optional[str]:
    if region is not None and expected is not None:
        raise BadInput(
            [
                problem(
                    "argument-invalid",
                    f"region {region!r} and expected {expected!r}: both say what to wait for: write one of them",
                )
            ]
        )
    if region is not None:
        return f"serving({region_named(system, region)})"
    regions = system.topology.regions
    return {"serving(home)": f"serving({regions.home})", "serving(standby)": f"serving({regions.standby})"}.get(
        expected or "", expected
    )
