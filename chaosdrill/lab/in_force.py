"""Breaks and AWS faults in force in a running lab, read through its control socket and its endpoint."""

from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab import control_socket, endpoint_page
from chaosdrill.lab.plan import LabPlan

AWS_FAULTS = "/chaosdrill/faults"
BREAKS_WITHIN_S = 60.0  # to begin a break or to undo all: Locust may have to restart, a database to rejoin
LOOK_WITHIN_S = 3.0


def broken(plan: LabPlan, since_ns: int = 0) -> list[str]:
    """Return the breaks that are in force, or were at or after ``since_ns``; empty when the lab does not respond."""
    try:
        found: list[dict[str, Any]] = control_socket.call(plan.control_socket, "breaks", answer_within_s=LOOK_WITHIN_S)
    except LabError:
        return []  # the caller detects in another way that the lab has ended
    return [one["text"] for one in found if one["in_force"] or (one["until_ns"] or 0) >= since_ns > 0]


def aws_faults(plan: LabPlan) -> list[str]:
    """Return the faults of the lab's AWS calls, including used-up ones; empty when the lab does not respond."""
    try:
        faults = endpoint_page.ask(plan, "GET", AWS_FAULTS, within_s=LOOK_WITHIN_S)["faults"]
    except LabError:
        return []
    return list(dict.fromkeys(f"aws {fault['service']} {fault['kind']}" for fault in faults))
