"""What is broken on purpose in a lab, as this side asks for it."""

from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab import endpoint_page, wire
from chaosdrill.lab.plan import LabPlan

AWS_FAULTS = "/chaosdrill/faults"
BREAKS_WITHIN_S = 60.0  # to begin one, or to mend them all: Locust may have to be started again, a database to rejoin
LOOK_WITHIN_S = 3.0


def broken(plan: LabPlan, since_ns: int = 0) -> list[str]:
    """:returns: the breaks that are in force, or were at or after ``since_ns``; empty when the lab does not answer."""
    try:
        found: list[dict[str, Any]] = wire.call(plan.control_socket, "breaks", answer_within_s=LOOK_WITHIN_S)
    except LabError:
        return []  # whoever asks will be told by another way that it is gone
    return [one["text"] for one in found if one["in_force"] or (one["until_ns"] or 0) >= since_ns > 0]


def aws_faults(plan: LabPlan) -> list[str]:
    """:returns: the faults of the lab's AWS calls that there are, spent ones too; empty when it does not answer."""
    try:
        faults = endpoint_page.ask(plan, "GET", AWS_FAULTS, within_s=LOOK_WITHIN_S)["faults"]
    except LabError:
        return []
    return list(dict.fromkeys(f"aws {fault['service']} {fault['kind']}" for fault in faults))
