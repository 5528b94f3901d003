"""Checks of the ECS services of an experiment before a drill."""

from collections.abc import Iterator
from functools import partial

from chaosdrill.aws import System
from chaosdrill.aws.regions import region_named
from chaosdrill.parts.interface import Check, CheckContext, Reading
from chaosdrill.service.ecs import Service, counts


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: each service that a step changes exists, and has as many tasks as it should have."""
    for step in context.steps_of("service.actions.set_desired_count"):
        given = step.arguments
        region = region_named(context.system, given.get("region", "home"))
        service = Service(region, str(given.get("cluster")), str(given.get("service")))
        what = f"{service.name} ({service.cluster}, {region})"
        fix = "correct `cluster` and `service`, or wait until its tasks run"
        yield Check("service", "service.running", what, fix, partial(_running, context.system, service))


def _running(system: System, service: Service) -> Reading:
    now = counts(system, service)
    value = f"{now.running} of {now.desired} tasks run"
    if now.running < now.desired:
        return Reading(value, "warning", "tasks are missing before the drill begins", code="tasks-not-running")
    return Reading(value)
