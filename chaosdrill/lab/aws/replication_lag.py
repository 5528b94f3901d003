"""The replication lag of both stores, measured on the real servers and published as Aurora and DynamoDB do.

Aurora puts a value a minute into CloudWatch, for the cluster that follows and in its region; here a minute is scaled
like every wait. What cannot be measured has no value, as on AWS: nobody is told 0. A cluster that is rebuilt follows
nothing, so it has no value either. DynamoDB's ReplicationLatency is of items that have arrived, in the region where
they were written: while nothing is written, or replication is paused, it has no value.

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
FIRST_TRIES_S = 1.0  # the databases come up beside this endpoint; until the first value it is asked more often
ANSWER_WITHIN_S = 5.0


def publish_for_ever(clusters: dict[str, str]) -> None:
    """Measure and publish, once a (scaled) minute.

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
    except Exception:  # noqa: BLE001  the thread's end: the next minute may be better
        logger.warning("the replication lag was not published", exc_info=True)
    else:
        return True
    return False


def publish(clusters: dict[str, str]) -> None:
    """Measure once, and put the value into CloudWatch.

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
    """Measure how long the main table's writes take to the other region, and put the values into CloudWatch.

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
