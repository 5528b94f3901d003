"""Replication lag of both stores, measured on the actual servers and published like Aurora's and DynamoDB's metrics.

Aurora publishes one value a minute to CloudWatch, for the secondary cluster and in its region; here a minute is scaled
like every wait. As on AWS, a value that cannot be measured is missing, not 0. A cluster that is being rebuilt does not
replicate, so it has no value either. DynamoDB's ReplicationLatency covers items that have arrived, in the region where
they were written: without writes, or while replication is paused, it has no value.

:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html#ReplicationLatency
"""

import threading
from collections.abc import Callable
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from chaosdrill.errors import LabError
from chaosdrill.lab.aws.rds import is_rebuilding
from chaosdrill.lab.aws.runtime import ask, logger, plan
from chaosdrill.lab.plan import MAIN_TABLE

NAMESPACE = "AWS/RDS"
METRICS = ("AuroraGlobalDBReplicationLag", "AuroraGlobalDBRPOLag")
MINUTE_S = 60.0
FIRST_TRIES_S = 1.0  # the databases start concurrently with this endpoint; polled this often until the first value
ANSWER_WITHIN_S = 5.0


def publish_for_ever(clusters: dict[str, str]) -> None:
    """Measure and publish once a (scaled) minute.

    :param clusters: ARN of the global database's cluster by region.
    """
    pause, published = threading.Event(), False
    while True:
        published = _done(lambda: publish(clusters)) or published
        _done(publish_latencies)
        every_s = MINUTE_S * plan().scale
        pause.wait(every_s if published else min(FIRST_TRIES_S, every_s))


def _done(publish: Callable[[], None]) -> bool:
    try:
        publish()
    except LabError as error:
        logger.info("the replication lag was not measured: %s", error)
    except Exception:  # noqa: BLE001  the thread's boundary: the next minute may succeed
        logger.warning("the replication lag was not published", exc_info=True)
    else:
        return True
    return False


def publish(clusters: dict[str, str]) -> None:
    """Measure the database's lag once, and publish it to CloudWatch.

    :raises LabError: when it cannot be measured.
    """
    measured: dict[str, Any] = ask("database.lag", ANSWER_WITHIN_S)
    arn = clusters[measured["region"]]
    if is_rebuilding(arn):
        raise LabError(f"{arn} is being rebuilt")
    cluster = arn.rsplit(":", 1)[-1]
    dimensions = [
        {"Name": "DBClusterIdentifier", "Value": cluster},
        {"Name": "SourceRegion", "Value": measured["source_region"]},
    ]
    value = {"Dimensions": dimensions, "Value": measured["lag_s"] * 1000, "Unit": "Milliseconds"}
    backend = cloudwatch_backends[plan().account][measured["region"]]
    backend.put_metric_data(NAMESPACE, [{"MetricName": metric, **value} for metric in METRICS])


def publish_latencies() -> None:
    """Measure how long the main table's writes take to the other region, and publish the values to CloudWatch.

    :raises LabError: when they cannot be measured.
    """
    measured: dict[str, float | None] = ask("main_table.latencies", ANSWER_WITHIN_S)
    for source, latency_s in measured.items():
        receiving = next(region for region in measured if region != source)
        dimensions = [{"Name": "TableName", "Value": MAIN_TABLE}, {"Name": "ReceivingRegion", "Value": receiving}]
        if latency_s is not None:
            value = {"Dimensions": dimensions, "Value": latency_s * 1000, "Unit": "Milliseconds"}
            backend = cloudwatch_backends[plan().account][source]
            backend.put_metric_data("AWS/DynamoDB", [{"MetricName": "ReplicationLatency", **value}])
