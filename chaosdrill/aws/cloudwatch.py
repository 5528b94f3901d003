"""CloudWatch: the latest value of a metric, and alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws.system import System
from chaosdrill.errors import CannotSee

_PERIODS_S = (60, 30, 20, 10, 5, 1)  # periods of at most a minute that CloudWatch supports
_ALARMS_A_CALL = 100


@dataclass(frozen=True)
class Series:
    """A metric of one resource in a region.

    :param dimensions: those that the metric always has.
    :param further: those that it may have as well. Both variants are queried: ListMetrics lists a metric up to 15
        minutes after its first value only.
    :source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
    """

    region: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept_by(self) -> list[dict[str, str]]:
        """The sets of dimensions under which CloudWatch may store it."""
        both = {**self.dimensions, **self.further}
        return [both, dict(self.dimensions)] if self.further else [both]

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value}" for name, value in self.dimensions.items())
        return f"{self.namespace} {self.metric} of {named} in {self.region}"


def latest(
    system: System, series: Series, statistic: str, period_s: float, oldest_s: float, since: datetime | None = None
) -> float:
    """Return the latest value of a metric that is not too old.

    :param statistic: such as Maximum, over a period.
    :param period_s: seconds, a minute at most; rounded down to a period that CloudWatch supports.
    :param oldest_s: the greatest age of a value, in seconds.
    :param since: values of periods that began earlier are ignored, because they describe an earlier state; None: all
        count.
    :returns: the value; the greatest when several series have one of that time.
    :raises CannotSee: when there is none.
    """
    try:
        found = _values(system, series, statistic, _period(period_s), oldest_s)
    except (ClientError, BotoCoreError) as error:
        raise CannotSee(f"CloudWatch did not return {series}: {error}", code="metric-unreadable") from error
    if found and since is not None:
        found = [one for one in found if one[0] >= since]
        if not found:
            raise CannotSee(
                f"CloudWatch has no value of it ({series}) since {since:%H:%M:%S} UTC, when what it is about changed; "
                "older values do not count: wait until there is one (`within_s`)",
                code="metric-missing",
            )
    if not found:
        raise CannotSee(
            f"CloudWatch has no value of it ({series}) for the last {oldest_s:g} s: wait until there is one "
            "(`within_s`), and check whether the cluster replicates to that region",
            code="metric-missing",
        )
    last = max(at for at, _ in found)
    return max(value for at, value in found if at == last)


def alarms(system: System, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return CloudWatch's descriptions of the alarms of these names that exist, metric or composite, by name."""
    client = system.client("cloudwatch", region)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), _ALARMS_A_CALL):
        asked = list(names[start : start + _ALARMS_A_CALL])
        answer = client.describe_alarms(AlarmNames=asked, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        found |= {
            str(one["AlarmName"]): one for one in (*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", []))
        }
    return found


def _period(wanted_s: float) -> int:
    return next((period for period in _PERIODS_S if period <= wanted_s), 1)


def _values(
    system: System, series: Series, statistic: str, period_s: int, oldest_s: float
) -> list[tuple[datetime, float]]:
    now = datetime.now(UTC)
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": series.namespace,
                    "MetricName": series.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                },
                "Period": period_s,
                "Stat": statistic,
            },
        }
        for number, dimensions in enumerate(series.kept_by)
    ]
    answer = system.client("cloudwatch", series.region).get_metric_data(
        MetricDataQueries=queries,
        StartTime=now - timedelta(seconds=max(oldest_s, period_s)),
        EndTime=now + timedelta(seconds=period_s),
        ScanBy="TimestampDescending",
    )
    return [
        (at, float(value))
        for result in answer.get("MetricDataResults", [])
        for at, value in zip(result.get("Timestamps", []), result.get("Values", []), strict=True)
    ]
