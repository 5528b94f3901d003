"""The application's resources in a region: ECS services, the stop flag's table and the main table.

In a third region, also the table of chaosdrill's own leases and owed undos.
"""

from collections.abc import Sequence
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.ecs.models import ecs_backends

from chaosdrill.lab.aws.ecs import SERVICES, cluster_of
from chaosdrill.lab.plan import (
    COORDINATION_REGION,
    COORDINATION_TABLE,
    DESIRED_COUNT,
    MAIN_TABLE,
    LabPlan,
    RegionPlan,
)

FLAG_KEY = "stopFlag"


def services(plan: LabPlan, region: RegionPlan) -> None:
    """Create an ECS cluster with the application's services."""
    ecs = ecs_backends[plan.account][region.name]
    cluster = cluster_of(region)
    ecs.create_cluster(cluster)
    for name in SERVICES:
        container = {"name": name, "image": f"{name}:lab", "memory": 512, "essential": True}
        task = ecs.register_task_definition(name, [container], network_mode="awsvpc")
        ecs.create_service(cluster, name, DESIRED_COUNT, task.arn)


def flag_table(plan: LabPlan, region: RegionPlan) -> None:
    """Create the region's table with its stop flag, which is false where the application is initially open."""
    _table(plan, region.name, region.flag_table)
    tables = dynamodb_backends[plan.account][region.name]
    closed = "false" if region == plan.first else "true"
    tables.put_item(region.flag_table, {"PK": {"S": FLAG_KEY}, "value": {"S": closed}})


def main_table(plan: LabPlan, region: RegionPlan) -> None:
    """Create the region's replica of the main table for DescribeTable; its items are in the lab's main table itself."""
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    _table(plan, region.name, MAIN_TABLE, stream=stream)


def coordination_table(plan: LabPlan) -> None:
    """Create the table of leases and owed undos, as ``chaosdrill init --coordination`` describes it."""
    _table(plan, COORDINATION_REGION, COORDINATION_TABLE, keys=("PK", "SK"), protected=True)
    tables = dynamodb_backends[plan.account][COORDINATION_REGION]
    tables.update_time_to_live(COORDINATION_TABLE, {"Enabled": True, "AttributeName": "ttl"})
    tables.update_continuous_backups(COORDINATION_TABLE, {"PointInTimeRecoveryEnabled": True})


def _table(
    plan: LabPlan,
    region: str,
    name: str,
    keys: Sequence[str] = ("PK",),
    stream: dict[str, Any] | None = None,
    protected: bool = False,
) -> None:
    dynamodb_backends[plan.account][region].create_table(
        name,
        schema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        throughput=None,
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        global_indexes=None,
        indexes=None,
        streams=stream,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=protected,
        warm_throughput=None,
    )
