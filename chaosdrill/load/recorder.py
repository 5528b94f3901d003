"""The recorder that counts and stores requests where they end: in a worker, or in a Locust without workers.

Locust's ``request`` event is in the path of every request, so the handler only notes the values; counting and writing
are done for all requests of half a second together. A load script may fire that event itself, with any values: a
failure for Locust is one here. A request whose event cannot be used is counted as unrecorded, which makes every window
that contains it unreadable.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

import requests
from locust.contrib.fasthttp import FastResponse

from chaosdrill.load import monotonic_clock
from chaosdrill.load.outcomes import outcome_of
from chaosdrill.load.request_rows import RequestRows, RequestsByKind
from chaosdrill.load.timeline import BucketTimeline
from chaosdrill.load.tracing import ATTRIBUTE, Trace, trace_here
from chaosdrill.records.rows import OK
from chaosdrill.secret_text import hide_secrets_in

REGION_VARIABLE = "CHAOSDRILL_LOAD_REGION_HEADER"
NS_IN_MS = 1e6
SLACK_NS = 5_000_000  # tolerance between the computed start and the real one
KNOWN = (requests.Response, FastResponse)
LONGEST_MS = 864e6  # 10 days, the last class of the histogram
LARGEST = 2**62  # bytes
LONGEST_REASON = 200  # characters


def about_this_process() -> dict[str, Any]:
    """Return the origin of the records for the header of a file."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started_ns": monotonic_clock.now_ns()}


class Recorder:
    """The requests of this process's users.

    :param timeline: counts them.
    """

    def __init__(self, timeline: BucketTimeline) -> None:
        self.timeline = timeline
        self.recorded = 0
        """How many requests, those that could not be recorded included: fewer rows than that are incomplete."""
        self.trouble = ""
        """Why requests could not be recorded; empty: all were."""
        self._unrecorded = 0
        self.about = about_this_process()
        self._ended = RequestsByKind()
        self._lines: list[str] = []
        self._rows = RequestRows(monotonic_clock.EPOCH_NS)
        self.on_request = self._listener(os.environ.get(REGION_VARIABLE) or "X-Region")

    def _listener(self, region_header: str) -> Callable[..., None]:
        """Return the handler of Locust's ``request`` event, which fires when the outcome is known: the end that
        counts.
        """
        by_kind = self._ended

        def note(
            ended: int,
            /,
            request_type: Any = "",
            name: Any = "",
            response_time: Any = None,
            response_length: Any = 0,
            response: Any = None,
            exception: Any = None,
            start_time: Any = None,
            **_: Any,
        ) -> None:
            if type(request_type) is not str or type(name) is not str:
                request_type, name = _text(request_type), _text(name)
            if type(response_time) is not float or not 0.0 <= response_time <= LONGEST_MS:
                response_time = _milliseconds(response_time)
            if type(response_length) is not int or not 0 <= response_length <= LARGEST:
                response_length = _size(response_length)
            started, outcome, error = ended - int((response_time or 0.0) * NS_IN_MS), OK, ""
            # a load script reports it itself, so nothing about its values is certain
            if not isinstance(response, KNOWN):
                kind = (request_type, name, *outcome_of(exception, response), "", "", 0)
                by_kind[kind].extend((ended, started, response_time, response_length))
                return
            status, headers = response.status_code, response.headers
            here, resends = trace_here(), 0
            trace = here
            if len(here.sent_ns) != 1 or getattr(response, ATTRIBUTE, None) is not None:
                trace, started, resends = _longer_story(response, here, started, start_time)
            region = "" if headers is None else headers.get(region_header, "")
            if type(region) is not str:
                region = str(region)
            if exception is not None or not status:
                outcome, status, error = outcome_of(exception, response)
            kind = (request_type, name, outcome, status, error, region, trace.address, resends)
            by_kind[kind].extend((ended, started, response_time, response_length))
            here.address = ""
            here.sent_ns.clear()

        def on_request(**event: Any) -> None:
            ended = monotonic_ns()
            try:
                note(ended, **event)
            except Exception as error:  # noqa: BLE001 - raised by a script's objects; Locust would log it and continue
                self._could_not_record([ended], error)

        return on_request

    def _could_not_record(self, ended_ns: Sequence[int], error: Exception) -> None:
        for at_ns in ended_ns:
            self.timeline.unrecorded((monotonic_clock.EPOCH_NS + at_ns) / 1e9)
        self.recorded += len(ended_ns)
        self._unrecorded += len(ended_ns)
        why = hide_secrets_in(_sendable(f"{type(error).__name__}: {_text(error)}"[:LONGEST_REASON]))
        self.trouble = f"{self._unrecorded} requests could not be recorded, at last because of {why}"

    def on_user_error(self, **_: Any) -> None:
        """Handle Locust's ``user_error`` event: a task raised, so requests may be missing."""
        self.timeline.exception(monotonic_clock.now_s())

    def count(self) -> None:
        """Count everything that has ended until now in the timeline."""
        for seen in list(self._ended):
            values = self._ended.pop(seen)
            kind = (seen[0], hide_secrets_in(seen[1]), *seen[2:4], hide_secrets_in(seen[4]), *seen[5:])
            method, name, outcome, status, answerer = *kind[:4], kind[5] or kind[6]
            try:
                lines = self._rows.lines(kind, values)
            except (ValueError, TypeError) as error:
                self._could_not_record(values[0::4], error)
                continue
            self.recorded += len(lines)
            ended_ns = [monotonic_clock.EPOCH_NS + at_ns for at_ns in values[0::4]]
            share = (_sendable(method), _sendable(name), _sendable(answerer if status else ""))
            self.timeline.requests(share, outcome != OK, ended_ns, values[2::4])
            self._lines += lines

    def take(self) -> tuple[str, int]:
        """Return the new rows, and the watermark: every request that ended before it has been returned."""
        self.count()
        rows = "".join(self._lines)
        self._lines.clear()
        return rows, monotonic_clock.now_ns()


def _longer_story(response: Any, here: Trace, started: int, start_time: float | None) -> tuple[Trace, int, int]:
    """Trace a request in a ``with`` block, or one that was not sent exactly once.

    :returns: its own trace, when it started, and how often it was sent again without being redirected.
    """
    own: Trace = getattr(response, ATTRIBUTE, None) or here
    # it ended before its outcome was known; start_time is on the wall clock
    if own is not here and start_time is not None:
        started = int(start_time * 1e9) - (time.time_ns() - monotonic_ns())
    sent = sum(at >= started - SLACK_NS for at in own.sent_ns)  # earlier ones were no requests of Locust
    return own, started, max(0, sent - 1 - len(getattr(response, "history", None) or ()))


def _text(value: Any) -> str:
    """Return a text for any object that a load script may pass; the class's name for a broken one."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the object is the script's
        return type(value).__name__


def _sendable(text: str) -> str:
    """Replace halves of surrogate pairs, which neither a worker's message nor a page can contain."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _milliseconds(value: Any) -> float | None:
    """Convert a response time; None: it is unknown. Locust's clients report None for responses that they do not wait
    for.
    """
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if 0.0 <= found <= LONGEST_MS else None


def _size(value: Any) -> int:
    """Convert a number of bytes; 0: it is unknown."""
    try:
        return min(max(0, int(value or 0)), LARGEST)
    except (TypeError, ValueError, OverflowError):
        return 0
