"""CloudWatch alarms that stop the fault: FIS's stop conditions."""

from typing import Any

from chaosdrill.aws import System, cloudwatch
from chaosdrill.errors import problem

_IN_ARN = ":alarm:"


def problems_of_alarms(alarms: Any) -> list[str]:
    """Return the problems of the alarms as they were written."""
    if alarms is None:
        return []
    if not isinstance(alarms, list) or not all(isinstance(alarm, str) and alarm for alarm in alarms):
        why = f"stop_condition_alarms is {alarms!r}: write a list of alarm names or ARNs"
        return [problem("argument-invalid", why)]
    return [
        problem("argument-invalid", f"stop_condition_alarms: {alarm!r}: write arn:...:cloudwatch:...:alarm:NAME")
        for alarm in alarms
        if alarm.startswith("arn:") and not (":cloudwatch:" in alarm and _IN_ARN in alarm)
    ]


def stop_alarms(system: System, alarms: list[str], region: str) -> tuple[list[str], list[str]]:
    """Look up the alarms.

    :param alarms: names or ARNs.
    :returns: their ARNs, and the problems that would make FIS refuse the fault or stop it at once.
    """
    names = list(dict.fromkeys(alarm.split(_IN_ARN)[-1] for alarm in alarms))
    found = cloudwatch.alarms(system, region, names)
    problems: list[str] = [
        problem(
            "alarm-in-other-region",
            f"the alarm {alarm} is not in {region}, where the fault is to be: FIS takes none of another region",
        )
        for alarm in alarms
        if alarm.startswith("arn:") and f":cloudwatch:{region}:" not in alarm
    ]
    problems += [
        problem("alarm-missing", f"there is no alarm {name} in {region}: correct `stop_condition_alarms`")
        for name in names
        if name not in found
    ]
    problems += [
        problem(
            "alarm-in-alarm",
            f"the alarm {name} is in ALARM already, and FIS would stop the fault at once: see to it, or leave it out",
        )
        for name, alarm in found.items()
        if alarm["StateValue"] == "ALARM"
    ]
    return [str(found[name]["AlarmArn"]) for name in names if name in found], problems
