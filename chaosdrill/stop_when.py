"""The control argument ``stop_when``: the conditions under which a drill stops by itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from chaosdrill.errors import problem

ENGAGED, IGNORED = "engaged", "ignored"  # values of safety_lever
LONGEST_S = 86_400.0
_ARN = re.compile(r"arn:[a-z-]+:cloudwatch:([a-z0-9-]+):([0-9]{12}):alarm:(.+)")


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm that stops the drill.

    :param region: empty where only its name was written: the home region.
    :param account: empty where only its name was written.
    """

    name: str
    region: str = ""
    account: str = ""


@dataclass(frozen=True)
class StopWhen:
    """The conditions under which a drill stops by itself and begins its rollbacks.

    :param safety_lever: ``engaged``: stop when the FIS safety lever of a region is; ``ignored``: it is not read; empty:
        it is read where the experiment injects a fault with FIS.
    :param alarms: stop when one of these CloudWatch alarms is in ALARM.
    :param unavailable_s: stop when clients were without service for this long in this drill, by the heartbeat.
    :param lost_writes: stop when a read-back finds this many lost writes.
    """

    safety_lever: str = ""
    alarms: tuple[Alarm, ...] = ()
    unavailable_s: float | None = None
    lost_writes: int | None = None


NAMES = tuple(field.name for field in fields(StopWhen))
NONE = StopWhen()


def stop_when_of(raw: Any) -> StopWhen:
    """Parse the argument. Values that cannot be used are left out: :func:`problems_of_stop_when` reports them."""
    given = raw if isinstance(raw, Mapping) else {}
    lever, unavailable_s = given.get("safety_lever"), _number(given.get("unavailable_s"))
    lost = _number(given.get("lost_writes"))
    return StopWhen(
        lever if lever in (ENGAGED, IGNORED) else "",
        tuple(_alarm(one) for one in _list(given.get("alarms")) if isinstance(one, str)),
        unavailable_s,
        None if lost is None else int(lost),
    )


def problems_of_stop_when(raw: Any) -> list[str]:
    """Return every problem of the argument. Values that still contain ``${`` are not checked."""
    if raw is None:
        return []
    if not isinstance(raw, Mapping):
        why = f"stop_when: {raw!r}: must be a mapping, such as {{unavailable_s: 60}}"
        return [problem("stop-when-invalid", why)]
    unknown = [f"{name}: there is only {', '.join(NAMES)}" for name in raw if name not in NAMES]
    found = [*unknown, *_problems_of_values(raw)]
    return [problem("stop-when-invalid", f"stop_when: {why}") for why in found]


def problems_of_accounts(stop_when: StopWhen, accounts: Sequence[str]) -> list[str]:
    """Return a problem for each alarm in an account that the topology does not allow."""
    return [
        problem(
            "stop-when-invalid",
            f"stop_when: alarms: {alarm.name} belongs to account {alarm.account}, and the topology allows only "
            f"{', '.join(accounts)}",
        )
        for alarm in stop_when.alarms
        if alarm.account and alarm.account not in accounts
    ]


def problems_of_steps(stop_when: StopWhen, functions: Sequence[str]) -> list[str]:
    """Return a problem for each condition that no step of the experiment measures.

    :param functions: the functions that setup, method and hypothesis call, such as
        ``chaosdrill.heartbeat.actions.start_heartbeat``.
    """
    heartbeat = "chaosdrill.heartbeat.actions.start_heartbeat" in functions
    found = []
    if stop_when.unavailable_s is not None and not heartbeat:
        found.append("unavailable_s: no step starts the heartbeat that measures it: add start_heartbeat to `setup`")
    if stop_when.lost_writes is not None and "chaosdrill.heartbeat.probes.lost_writes" not in functions:
        found.append("lost_writes: no step reads the writes back: add the probe lost_writes to the method")
    return [problem("stop-when-invalid", f"stop_when: {why}") for why in found]


def _problems_of_values(given: Mapping[str, Any]) -> Iterator[str]:
    lever = given.get("safety_lever", ENGAGED)
    if not _open(lever) and lever not in (ENGAGED, IGNORED):
        yield f"safety_lever: {lever!r} is neither {ENGAGED} nor {IGNORED}"
    alarms = given.get("alarms", [])
    if not isinstance(alarms, (list, tuple)):
        yield f"alarms: {alarms!r}: must be a list of alarm names or ARNs"
    for alarm in _list(alarms):
        if not isinstance(alarm, str) or not alarm.strip():
            yield f"alarms: {alarm!r} is neither the name of an alarm nor its ARN"
        elif alarm.startswith("arn:") and not _open(alarm) and not _ARN.fullmatch(alarm):
            yield f"alarms: {alarm!r}: write arn:...:cloudwatch:REGION:ACCOUNT:alarm:NAME"
    unavailable_s = given.get("unavailable_s", 1)
    if not _open(unavailable_s) and not 0 < (_number(unavailable_s) or 0) <= LONGEST_S:
        yield f"unavailable_s: {unavailable_s!r} is not a number of seconds above 0, to {LONGEST_S:g}"
    lost = given.get("lost_writes", 1)
    number = _number(lost)
    if not _open(lost) and (number is None or number < 1 or number != int(number)):
        yield f"lost_writes: {lost!r} is not a whole number from 1"


def _open(value: Any) -> bool:
    """Return whether a value still contains a variable."""
    return isinstance(value, str) and "${" in value


def _number(value: Any) -> float | None:
    """Convert to a finite number, also from a text that ``--var`` gave; None if that is impossible."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _alarm(written: str) -> Alarm:
    parts = _ARN.fullmatch(written)
    return Alarm(parts[3], parts[1], parts[2]) if parts else Alarm(written)
