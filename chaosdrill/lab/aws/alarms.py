"""Evaluation of CloudWatch alarms.

Fixes: in moto 5.2.5 an alarm changes its state only by SetAlarmState. Here every alarm with data is evaluated over its
periods, scaled like every other time of the reference system. An alarm whose metric never had data is left alone.

:source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html ("Evaluating an alarm",
    "Configuring how CloudWatch alarms treat missing data")
"""

import operator
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean

from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDatum, cloudwatch_backends

from chaosdrill.lab.aws.runtime import logger, plan, scaled

OFTEN = 4  # evaluations per period of a minute
SHORTEST_LOOK_S = 0.2
MORE_PERIODS = 3  # earlier periods whose data is used when some of the periods have none
BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": fmean,
    "Minimum": min,
    "Maximum": max,
    "Sum": sum,
    "SampleCount": len,
}
Datum = tuple[float, float]  # time in seconds since the epoch, value


def start() -> None:
    """Start to evaluate every alarm of every region."""
    threading.Thread(target=_run, name="alarms", daemon=True).start()


def _run() -> None:
    while True:
        time.sleep(max(SHORTEST_LOOK_S, scaled(60) / OFTEN))
        for backend in list(cloudwatch_backends[plan().account].values()):
            try:
                _evaluate_all(backend)
            except Exception:  # noqa: BLE001  an alarm that cannot be evaluated must not stop the others' evaluation
                logger.error("an alarm of %s could not be evaluated", backend.region_name, exc_info=True)


def _evaluate_all(backend: CloudWatchBackend) -> None:
    for alarm in list(backend.alarms.values()):
        if alarm.metric_name is not None and alarm.comparison_operator in BREACHES:
            _evaluate(backend, alarm)


def _evaluate(backend: CloudWatchBackend, alarm: Alarm) -> None:
    data, period_s, now_s = _data(backend, alarm), scaled(float(alarm.period)), time.time()
    if not data or min(data)[0] // period_s == now_s // period_s:
        return  # no period is complete yet
    points = periods(data, period_s, now_s, alarm.evaluation_periods + MORE_PERIODS)
    values = [STATISTICS[alarm.statistic or "Average"](point) if point else None for point in points]
    crosses = BREACHES[alarm.comparison_operator]
    breaches = [None if value is None else crosses(value, alarm.threshold) for value in values]
    state = verdict(breaches, alarm.evaluation_periods, alarm.datapoints_to_alarm, alarm.treat_missing_data)
    if state is not None and state != alarm.state_value:
        shown = ", ".join("no data" if value is None else f"{value:g}" for value in values[: alarm.evaluation_periods])
        reason = f"Threshold Crossed: the last periods were {shown}; {alarm.comparison_operator} {alarm.threshold:g}"
        backend.set_alarm_state(alarm.name, reason, "{}", state)


def _data(backend: CloudWatchBackend, alarm: Alarm) -> list[Datum]:
    wanted = {(one.name, one.value) for one in alarm.dimensions}
    return [
        (_epoch_s(datum.timestamp), datum.value)
        for datum in list(backend.metric_data)
        if isinstance(datum, MetricDatum)
        and (datum.namespace, datum.name) == (alarm.namespace, alarm.metric_name)
        and {(one.name, one.value) for one in datum.dimensions} == wanted
    ]


def _epoch_s(at: datetime) -> float:
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()  # moto's own times are UTC without a zone


def periods(data: Sequence[Datum], period_s: float, now_s: float, number: int) -> list[list[float]]:
    """Return the values in each of the last complete periods, newest first."""
    values: dict[int, list[float]] = defaultdict(list)
    for at_s, value in data:
        values[int(at_s // period_s)].append(value)
    newest = int(now_s // period_s) - 1
    return [values.get(index, []) for index in range(newest, newest - number, -1)]


def verdict(breaches: Sequence[bool | None], needed: int, to_alarm: int | None, missing: str | None) -> str | None:
    """Evaluate an alarm.

    :param breaches: for each period, newest first, whether the threshold was crossed; None without data.
    :param needed: EvaluationPeriods.
    :param to_alarm: DatapointsToAlarm; default: all of them.
    :param missing: TreatMissingData; default: missing.
    :returns: its new state; None when the state does not change.
    """
    seen = [one for one in breaches if one is not None][:needed]
    filled = needed - len(seen)
    if not filled or missing in (None, "missing"):
        if not seen:
            return "INSUFFICIENT_DATA"
        return "ALARM" if sum(seen) >= min(to_alarm or needed, len(seen)) else "OK"
    if missing == "ignore":
        return None
    return "ALARM" if sum(seen) + (filled if missing == "breaching" else 0) >= (to_alarm or needed) else "OK"
