"""ECS services whose desired count takes effect.

Fixes: in moto 5.2.5 UpdateService changes only the counts, and at once. Here a region's application server, which
represents all of its services, runs while each service has a desired count of at least one, and the running counts
follow it.
"""

import threading
from typing import Any

import moto.ecs.urls as ecs_urls
from moto.ecs.models import EC2ContainerServiceBackend, Service, ecs_backends

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import ask, logger, plan
from chaosdrill.lab.plan import RegionPlan

SERVICES = ("transaction", "balance", "count")
LONGEST_START_S = 60.0
_lock = threading.Lock()


def cluster_of(region: RegionPlan) -> str:
    """Return the name of the region's cluster."""
    return f"{region.city}-app"


class LabECSBackend(EC2ContainerServiceBackend):
    """moto's backend, which also starts and stops the region's application server."""

    _url_module = ecs_urls

    def update_service(self, service_properties: dict[str, Any]) -> Service:
        """UpdateService, which returns before the tasks have changed."""
        asked = dict(service_properties)
        service = self._get_service(asked.get("cluster", "default"), asked["service"].split("/")[-1])
        running = service.running_count
        super().update_service(asked)
        if asked.get("desired_count") is not None and self._is_ours(service):
            service.running_count = running
            service.pending_count = max(0, service.desired_count - running)
            threading.Thread(target=self._follow, args=(service,), name="ecs", daemon=True).start()
        return service

    def _is_ours(self, service: Service) -> bool:
        clusters = [cluster_of(region) for region in plan().regions if region.name == self.region_name]
        return service.cluster_name in clusters and service.name in SERVICES

    def _follow(self, service: Service) -> None:
        """Apply the current desired counts, which may have changed since this thread began."""
        with _lock:
            ours = [one for one in self.services.values() if self._is_ours(one)]
            wanted = service.desired_count
            try:
                running = all(one.desired_count > 0 for one in ours)
                ask("application.run", LONGEST_START_S, region=self.region_name, running=running)
            except LabError as error:
                logger.error("%s of %s: its tasks have not followed: %s", service.name, self.region_name, error)
                return
            service.running_count, service.pending_count = wanted, max(0, service.desired_count - wanted)
            for deployment in service.deployments:
                counts = {"desiredCount": service.desired_count, "runningCount": wanted}
                deployment.update({**counts, "pendingCount": service.pending_count})


def install() -> None:
    """Use it in every region."""
    replace(ecs_backends, "backend", LabECSBackend)
