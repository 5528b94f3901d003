"""Actions that change how many tasks of a service run, and restore the number."""

import time
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.aws import System, deadlines, system_of
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.aws.regions import region_named
from chaosdrill.errors import BadInput, DrillError, problem
from chaosdrill.service.ecs import Service, counts, set_desired, wait_until_running

__all__ = ["restore_desired_count", "set_desired_count"]

UNDO = "restore_desired_count"
LARGEST_COUNT = 5000  # ECS's quota of tasks per service


@action
def set_desired_count(
    cluster: str,
    service: str,
    count: int,
    region: str = "home",
    timeout_s: float = 600,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Set the desired count of an ECS service, and wait until so many tasks run. 0 takes the service away.

    :param cluster: the ECS cluster's name or ARN.
    :param service: the ECS service's name.
    :param count: the number of tasks, 0 to 5000.
    :param region: a region of the topology, or home, standby, active.
    :param timeout_s: how long to wait, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill.
    :returns: ``{done, region, cluster, service, was, is, seconds}``; ``done`` is false when the count was already
        ``count``.
    :raises ActivityFailed: when there is no such service, or its tasks have not followed in time.
    :undo: restore_desired_count
    :source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    wanted = _checked(count)
    system = system_of(configuration, secrets)
    named = Service(region_named(system, region), cluster, service)
    was = counts(system, named).desired
    if was == wanted:
        return {**_shown(named), "done": False, "was": was, "is": was, "why": f"its desired count is {was} already"}
    history.record("undo", undo=UNDO, arguments={**_shown(named), "count": was})
    return {**_shown(named), "was": was, **_changed(system, named, wanted, timeout_s)}


@action
def restore_desired_count(
    undo_of: str,
    timeout_s: float = 600,
    region: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Restore the desired count of every ECS service that this run has changed.

    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param timeout_s: how long to wait for each service, in seconds.
    :param region: only services of this region: one of the topology, or home, standby, active; default: of every
        region.
    :param standalone: allow it outside a drill, where no earlier count is known.
    :returns: ``{done, services: [{region, cluster, service, is, seconds}]}``
    :raises ActivityFailed: when a count could not be restored, or the tasks have not followed in time; the other
        services are restored all the same, and are named.
    :undo: none
    :source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    system = system_of(configuration, secrets)
    only = region_named(system, region) if region else None
    restored, errors = [], []
    for named, count in _before().items():
        if only not in (None, named.region):
            continue
        try:
            with deadlines.within(timeout_s):
                if counts(system, named).desired != count:
                    restored.append({**_shown(named), **_changed(system, named, count, timeout_s)})
        except FAILURES as error:
            errors.append(f"{named.name} ({named.cluster}, {named.region}): {error}")
    if errors:
        whole = ", ".join(str(one["service"]) for one in restored) or "none"
        raise DrillError(
            f"{'; '.join(errors)}. Services that were given back: {whole}", code="desired-count-not-restored"
        )
    return {"done": bool(restored), "services": restored}


def _checked(count: Any) -> int:
    try:
        number = int(count)
        if isinstance(count, bool) or float(count) != number or not 0 <= number <= LARGEST_COUNT:
            raise ValueError
    except (TypeError, ValueError):
        raise BadInput(
            [problem("argument-invalid", f"count is {count!r}: write a whole number from 0 to {LARGEST_COUNT}")]
        ) from None
    return number


def _changed(system: System, service: Service, count: int, timeout_s: float) -> dict[str, Any]:
    began = time.monotonic()
    set_desired(system, service, count)
    wait_until_running(system, service, count, timeout_s)
    return {"done": True, "is": count, "seconds": round(time.monotonic() - began, 3)}


def _before() -> dict[Service, int]:
    """Return each service's desired count before the first change of this run."""
    drill = history.current()
    found: dict[Service, int] = {}
    for row in drill.history.events("undo") if drill else []:
        if row["undo"] == UNDO:
            told = row["arguments"]
            found.setdefault(Service(told["region"], told["cluster"], told["service"]), int(told["count"]))
    return found


def _shown(service: Service) -> dict[str, Any]:
    return {"region": service.region, "cluster": service.cluster, "service": service.name}
