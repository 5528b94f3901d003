"""A running Locust with chaosdrill's plugin, over its web page's REST interface. Never imports Locust."""

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
from chaosdrill.client.load_seen import (
    Asked,
    LoadState,
    Records,
    TimelinePart,
    Window,
    load_state_of,
    parsing_response,
    records_of,
    window_of,
)
from chaosdrill.client.locust_page import Credentials, MethodNotAllowed, Page, ResponseTimedOut, is_open_to_strangers
from chaosdrill.errors import CannotSee, DrillError, TimedOut
from chaosdrill.page_guard import NEW_KEY

POLL_EVERY_S = 0.2
WATERMARK_LATE_S = 10.0  # a worker that is 10 s late is gone
OPEN_PAGE_WITHIN_S = 5.0
LONG_ANSWER_S = 15.0  # the report of a long test is a page of a megabyte, made on demand
T = TypeVar("T")


def swarm_form(
    users: int, spawn_rate_per_s: float, user_classes: Sequence[str], host: str = "", run_time_s: float | None = None
) -> dict[str, Any]:
    """Return the form with which a test is started or changed: see :meth:`LoadGenerator.swarm`."""
    form: dict[str, Any] = {"user_count": users, "spawn_rate": spawn_rate_per_s}
    form["user_classes"] = list(user_classes)  # with --class-picker Locust would take all of them again
    if host:
        form["host"] = host
    if run_time_s is not None:
        form["run_time"] = f"{max(1, math.ceil(run_time_s))}s"
    return form


class LoadGenerator:
    """The Locust at ``url``.

    :param credentials: for its login, if it has one; None: those that were given for this page before.
    :param timeout_s: how long one answer may take, in seconds.
    :param adapter: how it is reached; None: over the network from here.
    """

    since_s: float | None = None
    """From when on what it counted belongs to this process (its clock); None: from the first look at it."""
    look_every_s = 0.0
    """How often at most whoever watches it may look, in seconds: what a look costs depends on the way."""
    poll_every_s = POLL_EVERY_S
    """How often it is looked at until a window has closed, in seconds."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: float = 5.0,
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._page = Page(self.url, credentials, timeout_s, adapter)
        self.last_records: Records | None = None
        """What was known last of the files with its rows; None: nothing yet."""
        self.records_directory: Path | None = None
        """Where this process told it to keep them on this machine; None: it told it no such thing."""

    @property
    def has_ended(self) -> bool:
        """Whether this process has ended it: a request that failed since then says nothing about it."""
        return False

    def choose_user_classes(self, names: Sequence[str]) -> None:
        """Choose the users of the next test.

        :param names: of user classes; without any, those that Locust was started with.
        :raises DrillError: when the script has no such class, or a test runs.
        """
        self._successful(
            "/chaosdrill/user-classes", {"user_classes": list(names)}, f"the users {', '.join(names) or '(all)'}"
        )

    def swarm(self, users: int, spawn_rate_per_s: float, host: str = "", run_time_s: float | None = None) -> None:
        """Start a test, or change the running one. A response that is late is no failure: the state shows what became
        of the request.

        :param users: how many clients, at least 1.
        :param spawn_rate_per_s: how many of them are added in a second.
        :param host: base address they call; empty: as before.
        :param run_time_s: after how many seconds Locust ends the test by itself (it rounds up); None: it does not.
        :raises CannotSee: when Locust has no workers: it responds "success", and nothing would be measured.
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
        """Request the end of the test; without one nothing happens.

        Locust responds when all users have stopped, which takes as long as their tasks and their ``on_stop`` do. A late
        response is no failure: the state shows when the test has stopped.
        """
        with suppress(ResponseTimedOut):
            self._change("/stop")

    def reset(self) -> None:
        """Empty Locust's own statistics (its page's); the plugin's windows need no reset."""
        with suppress(ResponseTimedOut):
            self._change("/stats/reset")

    def report(self) -> str:
        """:returns: Locust's own report of the test so far, an HTML page."""
        return self._send("GET", "/stats/report", timeout=LONG_ANSWER_S).text

    def statistics(self) -> Mapping[str, Any]:
        """:returns: Locust's own statistics: requests, failures and times per endpoint. Up to 2 s old."""
        return _object(self._send("GET", "/stats/requests", timeout=LONG_ANSWER_S))

    def state(self) -> LoadState:
        """:returns: how the load runs now."""
        return load_state_of(self._chaosdrill("window", since=0, until=0))

    def window(self, since_s: float, until_s: float, asked: Asked = Asked()) -> Window:  # noqa: B008 - it is frozen
        """:returns: what ended from ``since_s`` to before ``until_s`` (s since the epoch, load generator's clock); of a
        region only what names it.
        """
        return window_of(self._chaosdrill("window", since=since_s, until=until_s, **asked.query()))

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """:returns: what ended in each 0.1 s from ``since_s`` (load generator's clock) up to the watermark."""
        raw = self._chaosdrill("timeline", since=since_s)
        with parsing_response():
            buckets = tuple((float(start), int(good), int(bad)) for start, good, bad in raw["buckets"])
            return TimelinePart(buckets, raw["watermark"], raw.get("stopping"))

    def clocks(self, rounds: int = ROUNDS) -> dict[str, ClockReading]:
        """Measures how far its clocks are from this process's.

        :param rounds: how often it is asked; the quickest answer counts.
        :returns: by source: that of its page (``locust``), and of each process that makes requests (as its rows say).
        """
        told: Mapping[str, Any] = {}

        def ask() -> int:
            nonlocal told
            told = self._chaosdrill("clock")
            return int(told["now_ns"])

        with parsing_response():
            return clocks_of(measure(ask, rounds=rounds), told["workers"])

    def one_time_url(self) -> str:
        """Make a URL that lets one browser use the page, as a person would, and works once.

        :returns: it; empty where this process does not know the page's secret.
        """
        path = _object(self._send("POST", NEW_KEY)).get("path") if self.knows_secret() else None
        return f"{self.url}{path}" if isinstance(path, str) else ""

    def knows_secret(self) -> bool:
        """:returns: whether what this process requests is taken for the page's starter's."""
        return self._page.knows_secret()

    def page_access(self) -> str:
        """:returns: in words, how a person uses the page, with a URL that works once; empty where that is not known."""
        url = self.one_time_url()
        return url and f"Locust's page: {url} works once, in one browser; {self.url} only reads"

    def is_open_to_strangers(self) -> bool:
        """:returns: whether other users of this machine, and web pages in a browser on it, can change the load."""
        return is_open_to_strangers(self.url, OPEN_PAGE_WITHIN_S)

    def records(self) -> Records:
        """:returns: which files its rows are in."""
        self.last_records = records_of(self._chaosdrill("records"))
        return self.last_records

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """:returns: whole lines of a file from an offset on, some ``most`` bytes; empty when there are none yet."""
        query = {"file": name, "offset": offset, "limit": most}
        return self._send("GET", "/chaosdrill/records", params=query, timeout=LONG_ANSWER_S).content

    def closed_window(self, length_s: float, patience_s: float = 0.0, asked: Asked = Asked()) -> Window:  # noqa: B008
        """A window that begins now and is waited for until nothing of it can still arrive.

        :param length_s: its length in seconds.
        :param patience_s: for so many seconds, begin again after each failure that is seen.
        :param asked: all requests, or those of one endpoint.
        :returns: it, complete.
        :raises CannotSee: when it is not complete 10 s after its end (a worker is gone).
        """
        give_up_s = time.monotonic() + patience_s
        while True:
            since_s = self.state().now_s
            window = self._with_addresses(self._closed(since_s, since_s + length_s, give_up_s, asked), asked)
            if not window.failures or time.monotonic() >= give_up_s:
                return window

    def _with_addresses(self, window: Window, asked: Asked) -> Window:
        """:returns: the window with what addresses of the region have answered without naming it."""
        if not asked.region or window.endpoints is None or not window.endpoints.addresses:
            return window
        owners = asked.regions_of(window.endpoints.addresses)
        own = [address for address, region in owners.items() if region == asked.region]
        if own:
            query = {"since": window.since_s, "until": window.until_s, **asked.query(own)}
            window = replace(window_of(self._chaosdrill("window", **query)), load=window.load)
        return replace(window, endpoints=window.endpoints and window.endpoints.with_regions_of(owners))

    def _closed(self, since_s: float, until_s: float, give_up_s: float, asked: Asked) -> Window:
        """The window when it is complete; before, when it holds a failure and another one may be tried."""
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
        """POST in Locust 2.47, GET in older ones."""
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
    """:raises CannotSee: when the response is not a JSON object."""
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        text = f"the load generator responded to {response.url} with no JSON object: {response.text[:200]!r}"
        raise CannotSee(text, code="locust-response-unexpected")
    return said


def clocks_of(page: ClockReading, workers: Mapping[str, Mapping[str, int]]) -> dict[str, ClockReading]:
    """:returns: the reading of its page, and what follows of each source that it knows the clock of."""
    return {"locust": page, **{source: page.plus(**one) for source, one in workers.items()}}


HOW_TO_START = (
    "start it as `locust -f $(python -c 'import chaosdrill, pathlib; "
    'print(pathlib.Path(chaosdrill.__file__).with_name("load") / "plugin.py")\'),YOUR_LOCUSTFILE.py`'
)


BASE_PATH = "with `--web-base-path` the address ends with that path"


def patiently(request: Callable[[], T], within_s: float) -> T:
    """Repeat a request for as long as its responses are late.

    :param within_s: for how long, in seconds.
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
    """Poll every ``every_s`` seconds until the value is good. A response that is late counts as not good yet.

    :param code: of the error.
    :param describe: a value in words, for the error.
    :returns: the value.
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
