"""CloudWatch: the last value of a metric, and alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee

_PERIODS_S = (60, 30, 20, 10, 5, 1)  # those that CloudWatch knows up to a minute
_ALARMS_A_CALL = 100


@dataclass(frozen=True)
class Series:
    """A metric of one thing in a region.

    :param dimensions: those that are known; CloudWatch is asked which further ones it keeps the metric by.
    :param further: what those must be where the metric is kept by them.
    """

    region: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    further: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value}" for name, value in self.dimensions.items())
        return f"{self.namespace} {self.metric} of {named} in {self.region}"


def latest(
    system: System, series: Series, statistic: str, period_s: float, oldest_s: float, since: datetime | None = None
) -> float:
    """The last value of a metric that is not too old.

    :param statistic: such as Maximum, over a period.
    :param period_s: seconds, a minute at most; it becomes the next shorter one that CloudWatch knows.
    :param oldest_s: how far back to look, in seconds.
    :param since: values of periods that began earlier tell of something else; None: all of them count.
    :returns: the value; the greatest when several series have one of that time.
    :raises CannotSee: when there is none.
    """
    try:
        kept_by = _dimensions(system, series)
        found = _values(system, series, kept_by, statistic, _period(period_s), oldest_s) if kept_by else []
    except (ClientError, BotoCoreError) as error:
        raise CannotSee(f"CloudWatch does not tell {series}: {error}", code="metric-unreadable") from error
    if found and since is not None:
        found = [one for one in found if one[0] >= since]
        if not found:
            raise CannotSee(
                f"CloudWatch has no value of it ({series}) since {since:%H:%M:%S} UTC, when what it is about changed; "
                "older ones are no answer: wait until there is one (`within_s`)",
                code="metric-missing",
            )
    if not found:
        known = "has no value of it" if kept_by else "does not know it"
        raise CannotSee(
            f"CloudWatch {known} ({series}) for the last {oldest_s:g} s: wait until there is one (`within_s`), and "
            "look whether it is replicated there at all",
            code="metric-missing",
        )
    last = max(at for at, _ in found)
    return max(value for at, value in found if at == last)


def alarms(system: System, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """:returns: by name what CloudWatch says of the alarms of these names that there are, metric or composite."""
    client = system.client("cloudwatch", region)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), _ALARMS_A_CALL):
        asked = list(names[start : start + _ALARMS_A_CALL])
        answer = client.describe_alarms(AlarmNames=asked, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        found |= {str(one["AlarmName"]): one for one in (*answer["MetricAlarms"], *answer["CompositeAlarms"])}
    return found


def _period(wanted_s: float) -> int:
    return next((period for period in _PERIODS_S if period <= wanted_s), 1)


def _dimensions(system: System, series: Series) -> list[list[dict[str, str]]]:
    known = [{"Name": name, "Value": value} for name, value in series.dimensions.items()]
    pages = (
        system.client("cloudwatch", series.region)
        .get_paginator("list_metrics")
        .paginate(Namespace=series.namespace, MetricName=series.metric, Dimensions=known)
    )
    kept_by = [list(metric["Dimensions"]) for page in pages for metric in page["Metrics"]]
    return [
        one for one in kept_by if all(series.further.get(part["Name"], part["Value"]) == part["Value"] for part in one)
    ]


def _values(
    system: System,
    series: Series,
    kept_by: Sequence[Sequence[dict[str, str]]],
    statistic: str,
    period_s: int,
    oldest_s: float,
) -> list[tuple[datetime, float]]:
    now = datetime.now(UTC)
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": series.namespace,
                    "MetricName": series.metric,
                    "Dimensions": list(dimensions),
                },
                "Period": period_s,
                "Stat": statistic,
            },
        }
        for number, dimensions in enumerate(kept_by)
    ]
    answer = system.client("cloudwatch", series.region).get_metric_data(
        MetricDataQueries=queries,
        StartTime=now - timedelta(seconds=max(oldest_s, period_s)),
        EndTime=now + timedelta(seconds=period_s),
        ScanBy="TimestampDescending",
    )
    return [
        (at, float(value))
        for result in answer["MetricDataResults"]
        for at, value in zip(result["Timestamps"], result["Values"], strict=True)
    ]
