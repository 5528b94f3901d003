"""Descriptions of the steps of a rescue. Pure."""

from chaosdrill.rescue.decisions import RescueStep
from chaosdrill.topology import Topology

_OF_PARTS = {
    "heal": "end the drill's faults",
    "switch-off": "disable the automatic failover",
    "switch-on": "enable the automatic failover again",
    "restore": "restore the capacity",
    "stop": "end the drill's",
}
_WAITS = {"orchestrator": "the end of the execution", "database": "the global cluster to be available"}


def step_text(step: RescueStep, topology: Topology) -> str:
    """Describe a step, such as ``close ap-northeast-3 by its stop flag``."""
    regions = {"home": topology.regions.home, "standby": topology.regions.standby}
    region = regions.get(str(step.region), "")
    match step.action:
        case "open" | "close":
            return f"{step.action} {region} by its stop flag"
        case "route":
            return f"lead the domain to {region}"
        case "wait":
            return f"wait for {_WAITS[step.role]}"
        case "move":
            return f"move the application to {region} with the state machine"
        case "promote":
            return f"promote the database in {region}: commits that were not replicated there are lost"
        case "stop":
            return f"{_OF_PARTS['stop']} {step.part}"
        case action:
            return f"{_OF_PARTS[action]} ({step.part})"
