"""An ECS service: reading and setting its task counts, and waiting until its tasks follow."""

from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import change, describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import BadInput, TimedOut, problem


@dataclass(frozen=True)
class Service:
    """One service, by region, cluster and name."""

    region: str
    cluster: str
    name: str


@dataclass(frozen=True)
class Counts:
    """How many tasks are desired, running and pending."""

    desired: int
    running: int
    pending: int


def counts(system: System, service: Service) -> Counts:
    """Read the service's present counts.

    :raises BadInput: when there is no such service, or it is not active.
    """
    client = system.client("ecs", service.region)
    try:
        answer = client.describe_services(cluster=service.cluster, services=[service.name])
        found = [one for one in answer.get("services", []) if one["status"] == "ACTIVE"]
    except client.exceptions.ClusterNotFoundException:
        found = []
    if not found:
        raise BadInput(
            [
                problem(
                    "service-missing",
                    f"there is no active ECS service {service.name} in cluster {service.cluster} of {service.region}: "
                    "correct `cluster` and `service`",
                )
            ]
        )
    return Counts(int(found[0]["desiredCount"]), int(found[0]["runningCount"]), int(found[0]["pendingCount"]))


def set_desired(system: System, service: Service, count: int) -> None:
    """Set the desired count; the tasks follow later.

    :raises DrillError: when the change was not made, or whether it was is unknown.
    """

    def ask() -> None:
        client = system.client("ecs", service.region)
        client.update_service(**count_update(service, count))

    what = f"the desired count {count} of ECS service {service.name} ({service.cluster}, {service.region})"
    change(what, ask, lambda: counts(system, service).desired == count)


def count_update(service: Service, count: int) -> dict[str, Any]:
    """Return the parameters of the UpdateService that :func:`set_desired` sends."""
    return {"cluster": service.cluster, "service": service.name, "desiredCount": count}


def wait_until_running(system: System, service: Service, count: int, timeout_s: float) -> None:
    """Wait until exactly ``count`` tasks run.

    :raises TimedOut: when they do not after ``timeout_s`` seconds.
    """
    with describe_half_done(
        f"the desired count of ECS service {service.name} is {count}, and its tasks follow by themselves"
    ):
        for now in poll(lambda: counts(system, service), timeout_s):
            if (now.running, now.pending) == (count, 0):
                return
    raise TimedOut(
        f"after {timeout_s:g} s {now.running} tasks of ECS service {service.name} ({service.cluster}, "
        f"{service.region}) run and {now.pending} are pending, {count} are wanted: check the service's events",
        code="tasks-not-running",
    )
