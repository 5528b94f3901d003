"""Which region serves."""

from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import probe
from chaosdrill.aws.polling import seen_within
from chaosdrill.region.facts import read_region_facts
from chaosdrill.region.sharing import waiting
from chaosdrill.region.state import verdict
from chaosdrill.topology import topology_of

__all__ = ["region_facts", "region_state"]

INTERRUPTED_LAB_S = 5.0


@probe
def region_state(
    within_s: Optional[float] = None,
    expected: Optional[str] = None,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> str:
    """The state of the regions together, from flags, routing controls, writer, DNS answer and running executions.

    :param within_s: wait up to so many seconds for ``expected``; default: look once. In a lab drill that was
        interrupted it is 5 s at most: nothing there takes longer that comes at all, and somebody waits for the end.
    :param expected: the state to wait for, such as ``serving(ap-northeast-1)`` or ``serving(home)``; default: any
        ``serving(...)``.
    :returns: ``serving(<region>)``, ``moving``, ``dark``, ``split`` or ``unknown``, as seen last.
    :raises ActivityFailed: when the topology is not right.
    :source: design.md, "The words"
    """

    topology = topology_of(configuration)
    roles = {"serving(home)": topology.regions.home, "serving(standby)": topology.regions.standby}
    wanted = f"serving({roles[expected]})" if expected in roles else expected

    def good(state: str) -> bool:
        return state == wanted if wanted else state.startswith("serving(")

    patience_s = float(within_s or 0)
    if history.interrupted() and topology.target == "lab":
        patience_s = min(patience_s, INTERRUPTED_LAB_S)
    with waiting():
        return seen_within(lambda: verdict(read_region_facts(configuration, secrets)), good, patience_s)


@probe
def region_facts(configuration: Optional[Configuration] = None, secrets: Optional[Secrets] = None) -> dict[str, Any]:
    """The facts behind the region state.

    :returns: ``{flag, routing, writer, dns, running}``; instead of any of them ``{error}`` when it cannot be read.
    :raises ActivityFailed: when the topology is not right.
    :source: design.md, "The words"
    """
    return read_region_facts(configuration, secrets)
