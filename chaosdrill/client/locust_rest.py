"""REST client of a running Locust with chaosdrill's plugin. Never imports Locust."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import requests

from chaosdrill.aws.polling import pause
from chaosdrill.client.clocks import ROUNDS, ClockReading, measure
from chaosdrill.client.locust_page import (
    Credentials,
    LocustPageClient,
    MethodNotAllowed,
    ResponseTimedOut,
    is_open_to_strangers,
)
from chaosdrill.client.plugin_responses import (
    LoadState,
    LoadWindow,
    RequestFiles,
    RequestSelection,
    TimelinePart,
    load_state_of,
    parsing_response,
    records_of,
    window_of,
)
from chaosdrill.errors import CannotSee, DrillError, TimedOut
from chaosdrill.page_guard import NEW_KEY

POLL_EVERY_S = 0.2
WATERMARK_LATE_S = 10.0  # a worker that is 10 s late is gone
OPEN_PAGE_WITHIN_S = 5.0
LONG_ANSWER_S = 15.0  # the report of a long test is a page of a megabyte, rendered on request
T = TypeVar("T")


def swarm_form(
    users: int, spawn_rate_per_s: float, user_classes: Sequence[str], host: str = "", run_time_s: float | None = None
) -> dict[str, Any]:
    """Return the form with which a test is started or changed: see :meth:`LoadGenerator.swarm`."""
    form: dict[str, Any] = {"user_count": users, "spawn_rate": spawn_rate_per_s}
    form["user_classes"] = list(user_classes)  # with --class-picker Locust would otherwise use all classes again
    if host:
        form["host"] = host
    if run_time_s is not None:
        form["run_time"] = f"{max(1, math.ceil(run_time_s))}s"
    return form


class LoadGenerator:
    """Client of the Locust at ``url``.

    :param credentials: credentials for its login, if it has one; None: those passed for this page before.
    :param timeout_s: timeout of one request, in seconds.
    :param adapter: transport adapter; None: a direct connection from this machine.
    """

    since_s: float | None = None
    """Since when its counts belong to this process (its clock); None: since the first read of it."""
    look_every_s = 0.0
    """Minimum interval between a monitor's reads, in seconds: a read over SSM costs more than a local one."""
    poll_every_s = POLL_EVERY_S
    """Poll interval while waiting for a window to close, in seconds."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: float = 5.0,
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._page = LocustPageClient(self.url, credentials, timeout_s, adapter)
        self.last_records: RequestFiles | None = None
        """The last response about the files with its rows; None before the first."""
        self.records_directory: Path | None = None
        """The local directory that this process assigned to those files; None when it assigned none."""

    @property
    def has_ended(self) -> bool:
        """Whether this process has ended it: a request that has failed since then says nothing about it."""
        return False

    def choose_user_classes(self, names: Sequence[str]) -> None:
        """Choose the user classes of the next test.

        :param names: names of user classes; none: those with which Locust was started.
        :raises DrillError: when the script has no such class, or a test is running.
        """
        self._successful(
            "/chaosdrill/user-classes", {"user_classes": list(names)}, f"the users {', '.join(names) or '(all)'}"
        )

    def swarm(self, users: int, spawn_rate_per_s: float, host: str = "", run_time_s: float | None = None) -> None:
        """Start a test, or change the running one. A late response is no failure: the state shows whether the request
        took effect.

        :param users: number of users, at least 1.
        :param spawn_rate_per_s: how many users are added per second.
        :param host: base URL that they call; empty: unchanged.
        :param run_time_s: after how many seconds Locust ends the test by itself (it rounds up); None: it does not.
        :raises CannotSee: when Locust has no workers: it would respond "success", and nothing would be measured.
        :raises DrillError: when Locust refuses.
        """
        state = patiently(self.state, LONG_ANSWER_S)
        if state.workers == 0:
            raise CannotSee(
                f"the Locust at {self.url} has no workers: start at least one (`locust -f - --worker …`)",
                code="load-not-running",
            )
        form = swarm_form(users, spawn_rate_per_s, state.user_classes, host, run_time_s)
        with suppress(ResponseTimedOut):
            self._successful("/swarm", form, f"{users} users for {host or state.host}")

    def _successful(self, path: str, form: Mapping[str, Any], what: str) -> None:
        answer = _object(self._send("POST", path, data=form))
        if not answer.get("success"):
            raise DrillError(f"the Locust at {self.url} refused {what}: {answer.get('message')}", code="locust-refused")

    def stop(self) -> None:
        """Request the end of the test; without a running test it has no effect.

        Locust responds when all users have stopped, which takes as long as their tasks and their ``on_stop`` do. A late
        response is no failure: the state shows when the test has stopped.
        """
        with suppress(ResponseTimedOut):
            self._change("/stop")

    def reset(self) -> None:
        """Reset the statistics of Locust's own page; the plugin's windows need no reset."""
        with suppress(ResponseTimedOut):
            self._change("/stats/reset")

    def report(self) -> str:
        """Return Locust's own report of the test so far, an HTML page."""
        return self._send("GET", "/stats/report", timeout=LONG_ANSWER_S).text

    def statistics(self) -> Mapping[str, Any]:
        """Return Locust's own statistics: requests, failures and times per endpoint. Up to 2 s old."""
        return _object(self._send("GET", "/stats/requests", timeout=LONG_ANSWER_S))

    def state(self) -> LoadState:
        """Return the current state of the load test."""
        return load_state_of(self._chaosdrill("window", since=0, until=0))

    def window(self, since_s: float, until_s: float, asked: RequestSelection = RequestSelection()) -> LoadWindow:  # noqa: B008 - it is frozen
        """Return the requests that ended from ``since_s`` to before ``until_s`` (s since the epoch, load generator's
        clock).

        With a region selected, only responses that name it count.
        """
        return window_of(self._chaosdrill("window", since=since_s, until=until_s, **asked.query()))

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """Return the requests that ended per 0.1 s from ``since_s`` (load generator's clock) to the watermark."""
        raw = self._chaosdrill("timeline", since=since_s)
        with parsing_response():
            buckets = tuple((float(start), int(good), int(bad)) for start, good, bad in raw["buckets"])
            return TimelinePart(buckets, raw["watermark"], raw.get("stopping"))

    def clocks(self, rounds: int = ROUNDS) -> dict[str, ClockReading]:
        """Measure the offsets between its clocks and this process's.

        :param rounds: number of readings; the one with the shortest round trip counts.
        :returns: the reading by source: that of the page (``locust``), and of each process that makes requests (as its
            rows name it).
        """
        told: Mapping[str, Any] = {}

        def ask() -> int:
            nonlocal told
            told = self._chaosdrill("clock")
            return int(told["now_ns"])

        with parsing_response():
            return clocks_of(measure(ask, rounds=rounds), told["workers"])

    def one_time_url(self) -> str:
        """Create a URL that lets one browser use the page, once.

        :returns: the URL; empty when this process does not know the page's secret.
        """
        path = _object(self._send("POST", NEW_KEY)).get("path") if self.knows_secret() else None
        return f"{self.url}{path}" if isinstance(path, str) else ""

    def knows_secret(self) -> bool:
        """Return whether the page treats this process's requests as those of the process that started it."""
        return self._page.knows_secret()

    def page_access(self) -> str:
        """Return in words how a person opens the page, with a one-time URL; empty when this process does not know the
        secret.
        """
        url = self.one_time_url()
        return url and f"Locust's page: {url} works once, in one browser; {self.url} only reads"

    def is_open_to_strangers(self) -> bool:
        """Return whether other users of this machine, and web pages in a browser on it, can change the load."""
        return is_open_to_strangers(self.url, OPEN_PAGE_WITHIN_S)

    def records(self) -> RequestFiles:
        """Return the files in which its rows are recorded."""
        self.last_records = records_of(self._chaosdrill("records"))
        return self.last_records

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """Return whole lines of a file from an offset, about ``most`` bytes; empty when there are none yet."""
        query = {"file": name, "offset": offset, "limit": most}
        return self._send("GET", "/chaosdrill/records", params=query, timeout=LONG_ANSWER_S).content

    def closed_window(
        self,
        length_s: float,
        patience_s: float = 0.0,
        asked: RequestSelection = RequestSelection(),  # noqa: B008
    ) -> LoadWindow:
        """Measure a window that begins now, and wait until no more of its requests can arrive.

        :param length_s: its length in seconds.
        :param patience_s: for how many seconds to begin again after a window with a failed request.
        :param asked: the selection of requests.
        :returns: the complete window.
        :raises CannotSee: when it is not complete 10 s after its end (a worker is gone).
        """
        give_up_s = time.monotonic() + patience_s
        while True:
            since_s = self.state().now_s
            window = self._with_addresses(self._closed(since_s, since_s + length_s, give_up_s, asked), asked)
            if not window.failures or time.monotonic() >= give_up_s:
                return window

    def _with_addresses(self, window: LoadWindow, asked: RequestSelection) -> LoadWindow:
        """Return the window including responses that name no region, by the region of their address."""
        if not asked.region or window.endpoints is None or not window.endpoints.addresses:
            return window
        owners = asked.regions_of(window.endpoints.addresses)
        own = [address for address, region in owners.items() if region == asked.region]
        if own:
            query = {"since": window.since_s, "until": window.until_s, **asked.query(own)}
            window = replace(window_of(self._chaosdrill("window", **query)), load=window.load)
        return replace(window, endpoints=window.endpoints and window.endpoints.with_regions_of(owners))

    def _closed(self, since_s: float, until_s: float, give_up_s: float, asked: RequestSelection) -> LoadWindow:
        """Return the window once it is complete, or once it contains a failure and another attempt is left."""
        length_s = until_s - since_s
        try:
            return wait_for(
                lambda: self.window(since_s, until_s, asked),
                lambda seen: seen.complete or (seen.failures > 0 and time.monotonic() < give_up_s),
                length_s + WATERMARK_LATE_S,
                f"the window of {length_s:g} s at {self.url} to close",
                self.poll_every_s,
            )
        except TimedOut as error:
            text = f"{error}: a process of this Locust does not report any more"
            raise CannotSee(text, code="load-workers-silent") from error

    def _chaosdrill(self, route: str, **query: Any) -> Mapping[str, Any]:
        return _object(self._send("GET", f"/chaosdrill/{route}", params=query))

    def _change(self, path: str) -> None:
        """Send a change by POST, as Locust 2.47 expects, else by GET, as older versions do."""
        try:
            self._send("POST", path)
        except MethodNotAllowed:
            self._send("GET", path)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        response = self._page.send(method, path, **options)
        if response.status_code == 404 and path.startswith("/chaosdrill/"):
            text = f"the Locust at {self.url} runs without chaosdrill's plugin: {HOW_TO_START}; {BASE_PATH}"
            raise CannotSee(text, code="locust-plugin-missing")
        if response.status_code == 404:
            text = f"the Locust at {self.url} knows no {path}: is this the address of its page? {BASE_PATH}"
            raise CannotSee(text, code="locust-page-missing")
        return response


def _object(response: requests.Response) -> Mapping[str, Any]:
    """Return the JSON object of a response.

    :raises CannotSee: when the response is not a JSON object.
    """
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        text = f"the load generator responded to {response.url} with no JSON object: {response.text[:200]!r}"
        raise CannotSee(text, code="locust-response-unexpected")
    return said


def clocks_of(page: ClockReading, workers: Mapping[str, Mapping[str, int]]) -> dict[str, ClockReading]:
    """Return the reading of the page's clock, and that of each source whose offset from the page is known."""
    return {"locust": page, **{source: page.plus(**one) for source, one in workers.items()}}


HOW_TO_START = (
    "start it as `locust -f $(python -c 'import chaosdrill, pathlib; "
    'print(pathlib.Path(chaosdrill.__file__).with_name("load") / "plugin.py")\'),YOUR_LOCUSTFILE.py`'
)


BASE_PATH = "with `--web-base-path` the address ends with that path"


def patiently(request: Callable[[], T], within_s: float) -> T:
    """Repeat a request as long as its responses are late.

    :param within_s: time limit in seconds.
    :raises ResponseTimedOut: when there was no response within that time.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return request()
        except ResponseTimedOut:
            if time.monotonic() > deadline:
                raise


def wait_for(
    poll: Callable[[], T],
    good: Callable[[T], bool],
    within_s: float,
    what: str,
    every_s: float = POLL_EVERY_S,
    *,
    code: str = TimedOut.default_code,
    describe: Callable[[T], str] = str,
) -> T:
    """Poll every ``every_s`` seconds until the value is good. A late response counts as not good yet.

    :param code: error code of the timeout.
    :param describe: formats a value for the error message.
    :returns: the good value.
    :raises TimedOut: after ``within_s`` seconds, with the last value.
    """
    deadline, last = time.monotonic() + within_s, ""
    while True:
        try:
            if good(value := poll()):
                return value
            last = "" if isinstance(value, bool) else f"; last observed: {describe(value)}"
        except ResponseTimedOut as late:
            last = f"; last observed: {late}"
        if time.monotonic() > deadline:
            raise TimedOut(f"waited {within_s:g} s for {what}{last}", code=code)
        pause(every_s)
