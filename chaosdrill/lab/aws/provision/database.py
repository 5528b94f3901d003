"""The Aurora PostgreSQL global database: a cluster in each region, one of them the writer."""

from collections.abc import Mapping
from dataclasses import dataclass

from moto.rds.models import rds_backends

from chaosdrill.lab.plan import LabPlan

GLOBAL_REGION = "us-east-1"  # moto's region of global clusters
ENGINE = {"engine": "aurora-postgresql", "engine_version": "16.6"}


@dataclass(frozen=True)
class ProvisionedDatabase:
    """A global cluster and the ARN of its cluster in each region."""

    global_cluster: str
    clusters: Mapping[str, str]


def global_database(plan: LabPlan) -> ProvisionedDatabase:
    """Create the global cluster; its first member is the writer."""
    name = "chaosdrill-global"
    rds_backends[plan.account][GLOBAL_REGION].create_global_cluster(
        name, None, **ENGINE, storage_encrypted=True, deletion_protection=False
    )
    clusters = {}
    for region in sorted(plan.regions, key=lambda region: region != plan.first):
        facts = {"db_cluster_identifier": f"{region.city}-app", "global_cluster_identifier": name, **ENGINE}
        made = rds_backends[plan.account][region.name].create_db_cluster({**facts, "port": 5432})
        clusters[region.name] = made.db_cluster_arn
    return ProvisionedDatabase(name, {region.name: clusters[region.name] for region in plan.regions})
