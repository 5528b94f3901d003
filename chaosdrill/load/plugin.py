"""The plugin inside Locust, beside any locustfile: ``locust -f <this file>,<yours.py>``.

Locust's own statistics cannot show "no error in these 15 seconds": they are cached, reported late by workers, and after
a reset old failures appear. This plugin counts the requests that ended in each 100 ms and records every request as a
row (``request_rows``), pushes both from worker to master twice a second together with a watermark, and serves them on
Locust's page:

- ``/chaosdrill/window?since=&until=&name=&method=&percentile=`` (seconds since the epoch, this host's clock): the
  requests that ended in that window, in total or of one endpoint, and ``complete`` when none of it can still arrive;
- ``/chaosdrill/timeline?since=``: ``[start, succeeded, failed]`` per 100 ms up to the watermark;
- ``/chaosdrill/user-classes`` (POST): the users of the next test;
- ``/chaosdrill/clock``: this process's clock, and the offset of the clock of each source of records;
- ``/chaosdrill/records?file=&offset=&limit=``: the files with the rows, or some lines of one.

The rows are stored in the directory that ``CHAOSDRILL_LOAD_RECORDS`` names, else in a new temporary one; the variables
of ``record_files`` and ``recorder`` add further information to them.

When ``CHAOSDRILL_LOAD_FD`` names an inherited listening socket, Locust's page is served there and nowhere else: a
socket stays in the network namespace in which it was created, so the page is reachable where Locust itself is not. When
``CHAOSDRILL_LOAD_LIFELINE`` names an inherited pipe, Locust ends when the other end is closed, because its starter has
then ended or was killed. A test that a driver has polled is stopped 900 s after its last poll, or as many seconds as
``CHAOSDRILL_LOAD_UNPOLLED_S`` says. When ``CHAOSDRILL_PAGE_SECRET`` holds a secret, the page obeys only the process
that knows it and the browsers that this process admits (``guarded_page``), and only that process is the driver; without
a secret the page is Locust's own, and any reader of the plugin's figures counts as the driver.
"""

import logging
import os
import signal
import socket as plain_socket
import sys
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
from gevent import monkey, pywsgi
from locust import events
from locust.exception import RPCError
from locust.runners import MasterRunner, WorkerRunner

from chaosdrill.load import tracing, worker_clocks
from chaosdrill.load.endpoints import EndpointBuckets
from chaosdrill.load.guarded_page import GuardedPage
from chaosdrill.load.monotonic_clock import now_ns, now_s
from chaosdrill.load.record_files import record_files
from chaosdrill.load.recorder import Recorder
from chaosdrill.load.routes import View, add_routes
from chaosdrill.load.test_state import UNPOLLED_S, UNPOLLED_VARIABLE, LoadTestState
from chaosdrill.load.timeline import BucketTimeline
from chaosdrill.load.worker_clocks import WorkerClocks
from chaosdrill.page_guard import take_secret

PUSH_EVERY_S = 0.5
LOOK_EVERY_S = 0.2
MESSAGE = "chaosdrill-buckets"
SOCKET_VARIABLE, LIFELINE_VARIABLE = "CHAOSDRILL_LOAD_FD", "CHAOSDRILL_LOAD_LIFELINE"


class Alone:
    """The part of the plugin in a Locust without workers."""

    def __init__(self, environment: Any) -> None:
        self.timeline = BucketTimeline()
        self.progress = LoadTestState(environment, None, now_s, unpolled_s())
        self.files = record_files()
        self._source = f"locust-{os.getpid()}"
        self._recorder = record(environment, self.timeline)
        gevent.spawn(self._write_forever)
        environment.events.quit.add_listener(self._end)

    def _write_forever(self) -> None:
        while True:
            self._write()
            gevent.sleep(PUSH_EVERY_S)

    def _write(self) -> None:
        self.files.write(self._source, self._recorder.about, *self._recorder.take())
        self.files.note_trouble(self._source, self._recorder.trouble)

    def _end(self, **_: Any) -> None:
        self._write()
        self.files.end(self._source, now_ns(), self._recorder.recorded)

    def count(self) -> None:
        """Count everything that has ended until now in the timeline."""
        self._recorder.count()

    def watermark_s(self) -> float:
        """Return the time before which every request that ended has been counted."""
        self.count()
        return now_s()

    def clocks(self) -> dict[str, dict[str, int]]:
        """Return, by source of records, the offset of its clock from this one, and the uncertainty of the offset, in
        nanoseconds.
        """
        return {self._source: {"offset_ns": 0, "uncertainty_ns": 0}}


class Master:
    """The part of the plugin in a master, fed by the pushes of its workers."""

    def __init__(self, environment: Any) -> None:
        self.timeline = BucketTimeline()
        self.progress = LoadTestState(environment, self._connected, now_s, unpolled_s())
        self.files = record_files()
        self._runner = environment.runner
        self._watermarks: dict[str, float] = {}
        self._clocks = WorkerClocks(self._runner, self._connected)
        self._runner.register_message(MESSAGE, self._on_push)

    def _on_push(self, msg: Any, **_: Any) -> None:
        data, source = msg.data, f"locust-{msg.node_id}"
        self.timeline.add_rows(data["rows"])
        self._watermarks[msg.node_id] = data["until_ns"] / 1e9
        self.files.write(source, data["about"], data["records"], data["until_ns"])
        self.files.note_trouble(source, data["trouble"])
        if data["ended"]:
            self.files.end(source, data["until_ns"], data["recorded"])

    def _connected(self) -> list[str]:
        clients = self._runner.clients
        return [node.id for node in clients.ready + clients.spawning + clients.running]

    def count(self) -> None:
        """Do nothing: a master counts no requests itself."""

    def watermark_s(self) -> float:
        """Return the time up to which every connected worker has reported; 0 without workers."""
        return min((self._watermarks.get(name, 0.0) for name in self._connected()), default=0.0)

    def clocks(self) -> dict[str, dict[str, int]]:
        """Return, by worker, the offset of its clock from this one, and the uncertainty of the offset, in
        nanoseconds.
        """
        return {f"locust-{worker}": one for worker, one in self._clocks.offsets().items()}


class Pushing:
    """The part of the plugin in a worker: sends counts, rows and the watermark; an empty push advances the
    watermark, too.
    """

    def __init__(self, environment: Any) -> None:
        self._runner = environment.runner
        # The master limits the endpoints; here they stay for half a second only.
        self._timeline = BucketTimeline(EndpointBuckets(most_endpoints=sys.maxsize))
        self._recorder = record(environment, self._timeline)
        self._unsent: list[dict[str, Any]] = []
        environment.events.quit.add_listener(lambda **_: self.push(ended=True))
        gevent.spawn(self._push_forever)

    def _push_forever(self) -> None:
        while True:
            gevent.sleep(PUSH_EVERY_S)
            self.push()

    def push(self, ended: bool = False) -> None:
        """Send new counts and rows; what cannot be sent now is sent with the next push.

        :param ended: nothing comes after it.
        """
        records, until_ns = self._recorder.take()
        recorder, rows = self._recorder, self._timeline.take_rows()
        about = {"about": recorder.about, "recorded": recorder.recorded, "trouble": recorder.trouble, "ended": ended}
        self._unsent.append({"rows": rows, "records": records, "until_ns": until_ns, **about})
        try:
            while self._unsent:
                self._runner.send_message(MESSAGE, self._unsent[0])
                del self._unsent[0]
        except RPCError as error:
            logging.getLogger(__name__).warning("the master cannot be reached: %s", error)


def unpolled_s() -> float:
    """Return for how many seconds a test continues after its driver's last poll."""
    return float(os.environ.get(UNPOLLED_VARIABLE) or UNPOLLED_S)


def record(environment: Any, timeline: BucketTimeline) -> Recorder:
    """Return a recorder of this process's requests, which counts them in ``timeline``."""
    tracing.install()
    recorder = Recorder(timeline)
    environment.events.request.add_listener(recorder.on_request)
    environment.events.user_error.add_listener(recorder.on_user_error)
    return recorder


def look_forever(progress: LoadTestState, runner: Any) -> None:
    """Check continuously whether users or workers are missing, and stop a test whose driver has died."""
    while True:
        gevent.sleep(LOOK_EVERY_S)
        progress.look()
        if progress.is_abandoned():
            logging.getLogger(__name__).warning("the test is stopped: the driver that polled it does so no more")
            runner.stop()


def locustfiles(environment: Any) -> list[str]:
    """Return the absolute paths of the running load scripts, without this plugin."""
    here = Path(__file__).resolve()
    return [str(path) for name in environment.parsed_locustfiles or () if (path := Path(name).resolve()) != here]


def serve_on_inherited_socket(web_ui: Any, descriptor: int) -> None:
    """Make Locust's page use an inherited listening socket, instead of opening one."""
    with plain_socket.socket(fileno=os.dup(descriptor)) as probe:
        family, kind = probe.family, probe.type
    listener = gevent.socket.socket(family, kind, fileno=descriptor)
    listener.setblocking(False)

    def start() -> None:
        web_ui.server = pywsgi.WSGIServer(listener, web_ui.app, log=None)
        web_ui.greenlet = gevent.spawn(web_ui.server.serve_forever)

    web_ui.start = start


def end_with(descriptor: int) -> None:
    """Kill this process group as soon as the other end of a pipe is closed.

    This runs in a thread that gevent does not know, so that a load script that never yields cannot prevent it.
    """

    def wait() -> None:
        while os.read(descriptor, 1):
            pass
        os.killpg(os.getpid(), signal.SIGKILL)

    monkey.get_original("_thread", "start_new_thread")(wait, ())


if _lifeline := os.environ.get(LIFELINE_VARIABLE):  # before the load script is imported, which may hang
    end_with(int(_lifeline))
take_secret()  # likewise, so that the load script's own programs do not inherit it


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Handle Locust's ``init`` event: set up the part of the plugin for this process."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        worker_clocks.answer(runner)
        Pushing(environment)
        return
    view: View = Master(environment) if isinstance(runner, MasterRunner) else Alone(environment)
    logging.getLogger(__name__).info("requests are recorded in %s", view.files.directory)
    begin_to_watch(environment, view)
    if environment.web_ui:
        guard(environment)
        add_routes(environment, view, locustfiles(environment))
        if descriptor := os.environ.get(SOCKET_VARIABLE):
            serve_on_inherited_socket(environment.web_ui, int(descriptor))


def guard(environment: Any) -> None:
    """Guard Locust's page, if this process has a secret for it."""
    if secret := take_secret():
        base = (getattr(environment.parsed_options, "web_base_path", None) or "").rstrip("/")
        environment.web_ui.app.wsgi_app = GuardedPage(environment.web_ui.app.wsgi_app, secret, base)


def begin_to_watch(environment: Any, view: View) -> None:
    """Follow when a test begins and ends, and whether its users and workers are complete in between."""

    def begin(**_: Any) -> None:
        view.count()
        view.timeline.endpoints.begin_anew()
        view.progress.begin()

    environment.events.test_start.add_listener(begin)
    environment.events.test_stopping.add_listener(view.progress.end)
    gevent.spawn(look_forever, view.progress, environment.runner)
