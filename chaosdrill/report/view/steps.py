"""The activities of a run: arguments, output, duration and error of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosdrill.analysis.run import Event, at_ns
from chaosdrill.analysis.untrusted_json import answer, number
from chaosdrill.report.sanitizing import as_json
from chaosdrill.report.view.inputs import ReportInputs, label

LONGEST = 20_000  # characters shown of a value; the history has the whole value
MOST = 2_000


@dataclass(frozen=True)
class ActivityRun:
    """An activity that ran.

    :param status: succeeded, failed, interrupted; empty when its end was not recorded.
    :param arguments: as JSON text.
    :param output: as JSON text; empty when there is none.
    :param met: whether its output was within the tolerance; None without one, or when that is unknown.
    """

    phase: str
    name: str
    kind: str
    func: str
    at_ns: int | None
    duration_s: float | None
    status: str
    error: str
    arguments: str
    output: str
    tolerance: str
    met: bool | None

    @property
    def is_bad(self) -> bool:
        """Whether it needs attention: it did not succeed, or missed its tolerance."""
        return self.status != "succeeded" or self.met is False


def steps(given: ReportInputs) -> tuple[ActivityRun, ...]:
    """Return the activities in the order of their beginning."""
    found: list[tuple[Event, Event]] = []
    open_: dict[tuple[str, str], list[int]] = {}
    for event in given.run.named("activity-started", "activity-ended"):
        key = (label(event.get("phase")), label(event.get("activity")))
        if event["event"] == "activity-started":
            open_.setdefault(key, []).append(len(found))
            found.append((event, {}))
        elif places := open_.get(key):
            place = places.pop(0)
            found[place] = (found[place][0], event)
        else:
            found.append(({}, event))
    return tuple(_step(*one) for one in found[:MOST])


def _step(begun: Event, ended: Event) -> ActivityRun:
    either = {**begun, **ended}
    duration_s = number(ended.get("duration_s"))
    return ActivityRun(
        label(either.get("phase")),
        label(either.get("activity")),
        label(either.get("type")),
        ".".join(filter(None, (label(either.get("module")), label(either.get("func"))))),
        at_ns(begun) if begun else at_ns(ended),
        duration_s if duration_s is not None else _apart_s(begun, ended),
        label(ended.get("status")),
        _value(ended.get("error") or None),
        _value(begun.get("arguments") or None),
        _value(ended.get("output")),
        _value(ended.get("tolerance")),
        answer(ended.get("tolerance_met")),
    )


def _apart_s(begun: Event, ended: Event) -> float | None:
    moments = at_ns(begun), at_ns(ended)
    return None if moments[0] is None or moments[1] is None else (moments[1] - moments[0]) / 1e9


def _value(value: Any) -> str:
    return "" if value is None else _cut(value)


def _cut(value: Any) -> str:
    written = as_json(value)
    return written if len(written) <= LONGEST else f"{written[:LONGEST]}… ({len(written)} characters)"


@dataclass(frozen=True)
class ApiCall:
    """A call of AWS's API."""

    at_ns: int | None
    service: str
    operation: str
    region: str
    request_id: str
    status: str
    error: str
    retries: str


def calls(given: ReportInputs) -> tuple[ApiCall, ...]:
    """Return the recorded calls, which are those that change something, with AWS's request id."""
    return tuple(_calls(given))[:MOST]


def _calls(given: ReportInputs) -> Iterator[ApiCall]:
    for event in given.run.named("aws-call"):
        yield ApiCall(
            at_ns(event),
            service=label(event.get("service")),
            operation=label(event.get("operation")),
            region=label(event.get("region")),
            request_id=label(event.get("request_id")),
            status=label(event.get("http_status")),
            error=label(event.get("error")),
            retries=label(event.get("retries")),
        )
