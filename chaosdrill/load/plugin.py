"""Runs inside Locust, beside any locustfile: ``locust -f <this file>,<yours.py>``.

Locust's own statistics cannot say "no error in these 15 seconds": they are cached, reported late by workers, and a
reset lets old failures appear afterwards. This plugin counts what ended in each 100 ms, pushes it from worker to
master twice a second together with a watermark, and answers on Locust's page:

- ``/chaosdrill/window?since=&until=`` (seconds since the epoch, this host's clock): what ended in that window, and
  ``complete`` when nothing of it can still arrive;
- ``/chaosdrill/timeline?since=``: ``[start, succeeded, failed]`` per 100 ms up to the watermark.

When ``CHAOSDRILL_LOAD_FD`` names an inherited listening socket, Locust's page is served there and nowhere else: a
socket stays in the network namespace it was made in, so the page is reachable where Locust itself is not.
"""

import os
import socket as plain_socket
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
from flask import jsonify, request
from gevent import pywsgi
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from chaosdrill.load.buckets import Timeline

PUSH_EVERY_S = 0.5
MESSAGE = "chaosdrill-buckets"
SOCKET_VARIABLE = "CHAOSDRILL_LOAD_FD"

# Steady, so that a step of the wall clock cannot put a request before a watermark that was already announced.
_EPOCH_AT_ZERO_S = time.time() - time.monotonic()


def now_s() -> float:
    """:returns: seconds since the epoch on a clock that never goes back."""
    return _EPOCH_AT_ZERO_S + time.monotonic()


class Recorder:
    """Counts requests where they end: in a worker, or in a Locust without workers."""

    def __init__(self) -> None:
        self.timeline = Timeline()

    def on_request(self, response_time: float | None, exception: BaseException | None, **_: Any) -> None:
        """Locust's ``request`` event. It fires when the outcome is known, which is the end that counts."""
        self.timeline.request(now_s(), response_time or 0.0, exception is not None)

    def on_user_error(self, **_: Any) -> None:
        """Locust's ``user_error`` event: a task raised, so requests may be missing from the counts."""
        self.timeline.exception(now_s())


class Alone:
    """What a Locust without workers knows."""

    def __init__(self, recorder: Recorder) -> None:
        self.timeline = recorder.timeline

    def watermark_s(self) -> float:
        """:returns: the time before which every request that ended has been counted."""
        return now_s()


class Master:
    """What a master knows from the pushes of its workers."""

    def __init__(self, runner: Any) -> None:
        self.timeline = Timeline()
        self._runner = runner
        self._watermarks: dict[str, float] = {}
        runner.register_message(MESSAGE, self._on_push)

    def _on_push(self, msg: Any, **_: Any) -> None:
        self.timeline.add_rows(msg.data["rows"])
        self._watermarks[msg.node_id] = msg.data["until_s"]

    def watermark_s(self) -> float:
        """:returns: the time up to which every connected worker has reported; 0 without workers."""
        clients = self._runner.clients
        alive = [node.id for node in clients.ready + clients.spawning + clients.running]
        return min((self._watermarks.get(name, 0.0) for name in alive), default=0.0)


def push_forever(runner: Any, recorder: Recorder) -> None:
    """In a worker: send what was counted, and up to when, twice a second; an empty push is news, too."""
    while True:
        gevent.sleep(PUSH_EVERY_S)
        until_s = now_s()
        runner.send_message(MESSAGE, {"rows": recorder.timeline.take_rows(), "until_s": until_s})


def answer_window(environment: Any, view: Alone | Master, since_s: float, until_s: float) -> dict[str, Any]:
    """:returns: what ended in the window, how complete that is, and the state of the load."""
    seen = view.timeline.between(since_s, until_s)
    watermark_s = view.watermark_s()
    return {
        "since": since_s,
        "until": until_s,
        "requests": seen.requests,
        "failures": seen.failures,
        "exceptions": seen.exceptions,
        "mean_ms": seen.mean_ms,
        "p50_ms": seen.percentile_ms(50),
        "p90_ms": seen.percentile_ms(90),
        "max_ms": seen.max_ms,
        "complete": watermark_s >= until_s,
        "watermark": watermark_s,
        **load_state(environment),
    }


def load_state(environment: Any) -> dict[str, Any]:
    """:returns: how the load runs now, whatever the window."""
    runner = environment.runner
    return {
        "now": now_s(),
        "state": runner.state,
        "user_count": runner.user_count,
        "target_user_count": runner.target_user_count,
        "workers": runner.worker_count,
        "locustfiles": locustfiles(environment),
        "host": environment.host,
    }


def locustfiles(environment: Any) -> list[str]:
    """:returns: the absolute paths of the load scripts that run, without this plugin."""
    here = Path(__file__).resolve()
    return [str(path) for name in environment.parsed_locustfiles or () if (path := Path(name).resolve()) != here]


def add_routes(environment: Any, view: Alone | Master) -> None:
    """Answer ``/chaosdrill/…`` on Locust's page."""
    app, guarded = environment.web_ui.app, environment.web_ui.auth_required_if_enabled

    @app.route("/chaosdrill/window")
    @guarded
    def chaosdrill_window() -> Any:
        since_s = request.args.get("since", now_s(), type=float)
        return jsonify(answer_window(environment, view, since_s, request.args.get("until", now_s(), type=float)))

    @app.route("/chaosdrill/timeline")
    @guarded
    def chaosdrill_timeline() -> Any:
        watermark_s = view.watermark_s()
        counts = view.timeline.counts(request.args.get("since", 0.0, type=float), watermark_s)
        return jsonify(buckets=counts, watermark=watermark_s)


def serve_on_inherited_socket(web_ui: Any, descriptor: int) -> None:
    """Make Locust's page use a listening socket this process was started with, instead of opening one."""
    with plain_socket.socket(fileno=os.dup(descriptor)) as probe:
        family, kind = probe.family, probe.type
    listener = gevent.socket.socket(family, kind, fileno=descriptor)
    listener.setblocking(False)

    def start() -> None:
        web_ui.server = pywsgi.WSGIServer(listener, web_ui.app, log=None)
        web_ui.greenlet = gevent.spawn(web_ui.server.serve_forever)

    web_ui.start = start


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Locust's ``init`` event: every process of a Locust gets the part it needs."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        view: Alone | Master = Master(runner)
    else:
        recorder = Recorder()
        environment.events.request.add_listener(recorder.on_request)
        environment.events.user_error.add_listener(recorder.on_user_error)
        view = Alone(recorder)
        if isinstance(runner, WorkerRunner):
            gevent.spawn(push_forever, runner, recorder)
    if environment.web_ui:
        add_routes(environment, view)
        if descriptor := os.environ.get(SOCKET_VARIABLE):
            serve_on_inherited_socket(environment.web_ui, int(descriptor))
