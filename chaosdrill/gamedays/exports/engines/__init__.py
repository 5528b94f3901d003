"""When each engine starts something: its expressions, and the instants at which it would run them. Pure.

Each module has ``expressions``, which writes a schedule in the language of an engine, and ``instants``, which reads
such an expression back as the engine does. The two share nothing, so that an expression that means something
else to the engine is noticed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from chaosdrill.gamedays.calendar import Schedule
from chaosdrill.gamedays.exports.engines import eventbridge, kubernetes, systemd


@dataclass(frozen=True)
class Engine:
    """A scheduler outside chaosdrill.

    :param expressions: writes a schedule in the engine's language, for the time from an instant (milliseconds) on;
        None when it has no expression for it.
    :param instants: the instants, in milliseconds, at which an expression starts something, from the first one
        (inclusive) to the second one (exclusive).
    """

    name: str
    expressions: Callable[[Schedule, int], tuple[str, ...] | None]
    instants: Callable[[str, ZoneInfo, int, int], Iterable[int]]


ENGINES: Mapping[str, Engine] = {
    "kubernetes": Engine("Kubernetes", kubernetes.expressions, kubernetes.instants),
    "eventbridge": Engine("EventBridge Scheduler", eventbridge.expressions, eventbridge.instants),
    "systemd": Engine("systemd", systemd.expressions, systemd.instants),
}
