"""Runs inside Locust, beside any locustfile: ``locust -f <this file>,<yours.py>``.

Locust's own statistics cannot say "no error in these 15 seconds": they are cached, reported late by workers, and a
reset lets old failures appear afterwards. This plugin counts what ended in each 100 ms, pushes it from worker to
master twice a second together with a watermark, and answers on Locust's page:

- ``/chaosdrill/window?since=&until=&name=&method=&percentile=`` (seconds since the epoch, this host's clock): what
  ended in that window, in total or of one endpoint, and ``complete`` when nothing of it can still arrive;
- ``/chaosdrill/timeline?since=``: ``[start, succeeded, failed]`` per 100 ms up to the watermark;
- ``/chaosdrill/user-classes`` (POST): which users the next test has.

When ``CHAOSDRILL_LOAD_FD`` names an inherited listening socket, Locust's page is served there and nowhere else: a
socket stays in the network namespace it was made in, so the page is reachable where Locust itself is not. When
``CHAOSDRILL_LOAD_LIFELINE`` names an inherited pipe, Locust ends when its other end is closed: whoever started it is
gone then, however it ended.
"""

import os
import signal
import socket as plain_socket
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
from gevent import monkey, pywsgi
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from chaosdrill.load.endpoints import Endpoints
from chaosdrill.load.progress import Progress
from chaosdrill.load.routes import View, add_routes
from chaosdrill.load.timeline import Timeline

PUSH_EVERY_S = 0.5
LOOK_EVERY_S = 0.2
MESSAGE = "chaosdrill-buckets"
SOCKET_VARIABLE, LIFELINE_VARIABLE = "CHAOSDRILL_LOAD_FD", "CHAOSDRILL_LOAD_LIFELINE"

# Steady, so that a step of the wall clock cannot put a request before a watermark that was already announced.
_EPOCH_AT_ZERO_S = time.time() - time.monotonic()


def now_s() -> float:
    """:returns: seconds since the epoch on a clock that never goes back."""
    return _EPOCH_AT_ZERO_S + time.monotonic()


class Recorder:
    """Counts requests where they end: in a worker, or in a Locust without workers.

    :param timeline: where.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def on_request(
        self, request_type: str, name: str, response_time: float | None, exception: BaseException | None, **_: Any
    ) -> None:
        """Locust's ``request`` event. It fires when the outcome is known, which is the end that counts."""
        endpoint = (str(request_type), str(name))
        self.timeline.request(now_s(), response_time or 0.0, exception is not None, endpoint)

    def on_user_error(self, **_: Any) -> None:
        """Locust's ``user_error`` event: a task raised, so requests may be missing from the counts."""
        self.timeline.exception(now_s())


class Alone:
    """What a Locust without workers knows."""

    def __init__(self, environment: Any) -> None:
        self.timeline = Timeline()
        self.progress = Progress(environment, lambda: ["local"], now_s)

    def watermark_s(self) -> float:
        """:returns: the time before which every request that ended has been counted."""
        return now_s()


class Master:
    """What a master knows from the pushes of its workers."""

    def __init__(self, environment: Any) -> None:
        self.timeline = Timeline()
        self.progress = Progress(environment, self._connected, now_s)
        self._runner = environment.runner
        self._watermarks: dict[str, float] = {}
        self._runner.register_message(MESSAGE, self._on_push)

    def _on_push(self, msg: Any, **_: Any) -> None:
        self.timeline.add_rows(msg.data["rows"])
        self._watermarks[msg.node_id] = msg.data["until_s"]

    def _connected(self) -> list[str]:
        clients = self._runner.clients
        return [node.id for node in clients.ready + clients.spawning + clients.running]

    def watermark_s(self) -> float:
        """:returns: the time up to which every connected worker has reported; 0 without workers."""
        return min((self._watermarks.get(name, 0.0) for name in self._connected()), default=0.0)


def push_forever(runner: Any, timeline: Timeline) -> None:
    """In a worker: send what was counted, and up to when, twice a second; an empty push is news, too."""
    while True:
        gevent.sleep(PUSH_EVERY_S)
        until_s = now_s()
        runner.send_message(MESSAGE, {"rows": timeline.take_rows(), "until_s": until_s})


def look_forever(progress: Progress) -> None:
    """See every moment in which users or workers are missing."""
    while True:
        gevent.sleep(LOOK_EVERY_S)
        progress.look()


def locustfiles(environment: Any) -> list[str]:
    """:returns: the absolute paths of the load scripts that run, without this plugin."""
    here = Path(__file__).resolve()
    return [str(path) for name in environment.parsed_locustfiles or () if (path := Path(name).resolve()) != here]


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


def end_with(descriptor: int) -> None:
    """Kill this process group as soon as nobody holds the other end of a pipe any more.

    In a thread that gevent does not know, so that a load script that never yields cannot prevent it.
    """

    def wait() -> None:
        while os.read(descriptor, 1):
            pass
        os.killpg(os.getpid(), signal.SIGKILL)

    monkey.get_original("_thread", "start_new_thread")(wait, ())


if _lifeline := os.environ.get(LIFELINE_VARIABLE):  # before the load script is imported: that may hang, too
    end_with(int(_lifeline))


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Locust's ``init`` event: every process of a Locust gets the part it needs."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        # The master decides what is kept; here it stays for half a second.
        timeline = Timeline(Endpoints(most_endpoints=sys.maxsize))
        record(environment, timeline)
        gevent.spawn(push_forever, runner, timeline)
        return
    view: View = Master(environment) if isinstance(runner, MasterRunner) else Alone(environment)
    if isinstance(view, Alone):
        record(environment, view.timeline)
    begin_to_watch(environment, view)
    if environment.web_ui:
        add_routes(environment, view, locustfiles(environment))
        if descriptor := os.environ.get(SOCKET_VARIABLE):
            serve_on_inherited_socket(environment.web_ui, int(descriptor))


def record(environment: Any, timeline: Timeline) -> None:
    """Count this process's requests in ``timeline``."""
    recorder = Recorder(timeline)
    environment.events.request.add_listener(recorder.on_request)
    environment.events.user_error.add_listener(recorder.on_user_error)


def begin_to_watch(environment: Any, view: View) -> None:
    """Know when a test begins and ends, and whether it is as meant in between."""

    def begin(**_: Any) -> None:
        view.timeline.endpoints.begin_anew()
        view.progress.begin()

    environment.events.test_start.add_listener(begin)
    environment.events.test_stopping.add_listener(view.progress.end)
    gevent.spawn(look_forever, view.progress)
