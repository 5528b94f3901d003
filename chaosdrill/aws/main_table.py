"""The application's main table, a DynamoDB global table: its replicas and its replication lag."""

from dataclasses import dataclass

from chaosdrill.aws import cloudwatch
from chaosdrill.aws.system import System
from chaosdrill.errors import BadInput, problem

OLDEST_S = 300.0  # CloudWatch can be some minutes late; an older value describes another time


@dataclass(frozen=True)
class Replica:
    """One region's replica of a global table.

    :param others: the regions of the other replicas.
    :param strongly_consistent: whether a write is acknowledged only once another region has it.
    """

    name: str
    region: str
    arn: str
    others: tuple[str, ...]
    strongly_consistent: bool


def table_name(system: System, named: str | None) -> str:
    """Return the name of the main table.

    :param named: the one that a step names; None: the topology's.
    :raises BadInput: when neither names one.
    """
    name = named or system.topology.main_table
    if name is None:
        why = "no main table is named: add `main_table:` to the topology, or write `table`"
        raise BadInput([problem("main-table-unnamed", why)])
    return name


def replica(system: System, region: str, name: str) -> Replica:
    """Read a region's replica.

    :raises BadInput: when there is no such table.
    :source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    client = system.client("dynamodb", region)
    try:
        found = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException as error:
        why = f"there is no table {name} in {region}: correct `main_table:` in the topology, or `table`"
        raise BadInput([problem("main-table-missing", why)]) from error
    regions = [str(one.get("RegionName")) for one in found.get("Replicas") or []]
    others = tuple(one for one in regions if one != region)
    strong = found.get("MultiRegionConsistency") == "STRONG"
    return Replica(name, region, str(found.get("TableArn") or ""), others, strong)


def replication_lag_s(system: System, name: str, receiving: str) -> float:
    """Return the replication lag of ``receiving`` in seconds: the maximum of the last minute that has a value.

    The lag is the time that an item written in the other region took to appear.

    :raises CannotSee: when there is no recent value: nothing was written, or nothing arrived.
    :source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html#ReplicationLatency
    """
    scale, source = system.topology.time_scale, system.topology.other_region(receiving)
    dimensions = {"TableName": name, "ReceivingRegion": receiving}
    series = cloudwatch.Series(source, "AWS/DynamoDB", "ReplicationLatency", dimensions)
    return round(cloudwatch.latest(system, series, "Maximum", 60 * scale, OLDEST_S * scale) / 1000, 6)
