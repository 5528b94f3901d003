"""Counts and records requests where they end: in a worker, or in a Locust without workers.

Locust's ``request`` event is on the way of every request, so it only notes what happened; counting and writing are done
for all requests of half a second together.
"""

import os
import socket
import time
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import requests
from locust.contrib.fasthttp import FastResponse

from chaosdrill.load import steady
from chaosdrill.load.outcomes import OK, outcome_of
from chaosdrill.load.request_rows import RequestRows, RequestsByKind
from chaosdrill.load.timeline import Timeline
from chaosdrill.load.tracing import ATTRIBUTE, Trace, trace_here

REGION_VARIABLE = "CHAOSDRILL_LOAD_REGION_HEADER"
NS_IN_MS = 1e6
SLACK_NS = 5_000_000  # between the start that is reckoned and the real one
KNOWN = (requests.Response, FastResponse)


def about_this_process() -> dict[str, Any]:
    """:returns: what the header of a file says about who saw its requests."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started_ns": steady.now_ns()}


class Recorder:
    """What this process's users saw.

    :param timeline: where it is counted.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.recorded = 0
        """How many requests."""
        self.about = about_this_process()
        self._ended = RequestsByKind()
        self._lines: list[str] = []
        self._rows = RequestRows(steady.EPOCH_NS)
        self.on_request = self._listener(os.environ.get(REGION_VARIABLE) or "X-Region")

    def _listener(self, region_header: str) -> Callable[..., None]:
        """Locust's ``request`` event. It fires when the outcome is known, which is the end that counts."""
        by_kind = self._ended

        def on_request(
            request_type: str,
            name: str,
            response_time: float | None,
            response_length: int | None = 0,
            response: Any = None,
            exception: BaseException | None = None,
            start_time: float | None = None,
            **_: Any,
        ) -> None:
            ended, outcome, error = monotonic_ns(), OK, ""
            if not isinstance(response, KNOWN):
                told = (request_type, name, response_time, response_length)
                _note_of_another_client(by_kind, ended, *told, exception, response)
                return
            milliseconds, status, headers = response_time or 0.0, response.status_code, response.headers
            here = trace = trace_here()
            started, resends = ended - int(milliseconds * NS_IN_MS), 0
            if len(here.sent_ns) != 1 or getattr(response, ATTRIBUTE, None) is not None:
                trace, started, resends = _longer_story(response, here, started, start_time)
            region = "" if headers is None else headers.get(region_header, "")
            if type(region) is not str:
                region = str(region)
            if exception is not None or not status:
                outcome, status, error = outcome_of(exception, response)
            kind = (request_type, name, outcome, status, error, region, trace.address, resends)
            by_kind[kind].extend((ended, started, milliseconds, response_length or 0))
            here.address = ""
            here.sent_ns.clear()

        return on_request

    def on_user_error(self, **_: Any) -> None:
        """Locust's ``user_error`` event: a task raised, so requests may be missing."""
        self.timeline.exception(steady.now_s())

    def count(self) -> None:
        """Everything that has ended until now is in the timeline afterwards."""
        for kind, values in self._ended.items():
            self.recorded += len(values) // 4
            method, name, outcome, region = *kind[:3], kind[5]
            ended_ns = [steady.EPOCH_NS + at_ns for at_ns in values[0::4]]
            self.timeline.requests((str(method), str(name), region), outcome != OK, ended_ns, values[2::4])
            self._lines += self._rows.lines(kind, values)
        self._ended.clear()

    def take(self) -> tuple[str, int]:
        """:returns: the rows since the last time, and the watermark: what ended before it was handed out."""
        self.count()
        rows = "".join(self._lines)
        self._lines.clear()
        return rows, steady.now_ns()


def _longer_story(response: Any, here: Trace, started: int, start_time: float | None) -> tuple[Trace, int, int]:
    """Of a request in a ``with`` block, or of one that was not sent exactly once.

    :returns: its own trace, when it started, and how often it was sent again without being redirected.
    """
    own: Trace = getattr(response, ATTRIBUTE, None) or here
    if own is not here and start_time is not None:  # it ended before its outcome was known; on the wall clock
        started = int(start_time * 1e9) - (time.time_ns() - monotonic_ns())
    sent = sum(at >= started - SLACK_NS for at in own.sent_ns)  # before: something that was no request of Locust's
    return own, started, max(0, sent - 1 - len(getattr(response, "history", None) or ()))


def _note_of_another_client(
    by_kind: RequestsByKind,
    ended: int,
    request_type: Any,
    name: Any,
    milliseconds: Any,
    size: Any,
    exception: BaseException | None,
    response: Any,
) -> None:
    """A request that a load script reports itself: nothing is sure about what it says."""
    taken, length = float(milliseconds or 0.0), int(size or 0)
    kind = (str(request_type), str(name), *outcome_of(exception, response), "", "", 0)
    by_kind[kind].extend((ended, ended - int(taken * NS_IN_MS), taken, length))
