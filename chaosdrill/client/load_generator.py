"""A running Locust with chaosdrill's plugin, over its web page's REST interface. Never imports Locust."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from chaosdrill.errors import CannotSee, DrillError, TimedOut
from chaosdrill.topology import topology_of

POLL_EVERY_S = 0.2
WATERMARK_LATE_S = 10.0  # a worker that is 10 s late is gone
MEASURED = ("requests", "failures", "exceptions", "mean_ms", "p50_ms", "p90_ms", "max_ms", "complete")
T = TypeVar("T")


@dataclass(frozen=True)
class LoadState:
    """How the load runs at a moment. ``now_s`` is the load generator's own clock, seconds since the epoch."""

    now_s: float
    state: str
    user_count: int
    target_user_count: int
    workers: int
    locustfiles: tuple[str, ...]
    host: str | None

    @property
    def running(self) -> bool:
        """All users that were asked for are there and at work."""
        return self.state == "running" and 0 < self.target_user_count <= self.user_count and self.workers > 0


@dataclass(frozen=True)
class Window:
    """What ended between two moments (load generator's clock), and how the load ran when it was asked.

    Times in ms are None without requests. ``complete``: nothing of the window can still arrive.
    """

    since_s: float
    until_s: float
    requests: int
    failures: int
    exceptions: int
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    max_ms: float | None
    complete: bool
    load: LoadState


@dataclass(frozen=True)
class TimelinePart:
    """``buckets``: (start in s since the epoch, succeeded, failed) per 0.1 s; final up to ``watermark_s``."""

    buckets: tuple[tuple[float, int, int], ...]
    watermark_s: float


class LoadGenerator:
    """The Locust at ``url``.

    :param timeout_s: how long one answer may take, in seconds.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment does not lead to the client host

    def swarm(self, users: int, spawn_rate_per_s: float, host: str) -> None:
        """Start a test, or change the running one.

        :param users: how many clients, at least 1.
        :param spawn_rate_per_s: how many of them are added in a second.
        :param host: base address they call.
        :raises DrillError: when Locust says no, or has no workers (it says "success" then).
        """
        if self.state().workers == 0:
            raise DrillError(f"the Locust at {self.url} has no workers: start at least one (`locust -f - --worker …`)")
        form = {"user_count": users, "spawn_rate": spawn_rate_per_s, "host": host}
        answer = self._send("POST", "/swarm", data=form).json()
        if not answer.get("success"):
            raise DrillError(f"the Locust at {self.url} refused {users} users for {host}: {answer.get('message')}")

    def stop(self) -> None:
        """Stop the test; without one nothing happens."""
        self._change("/stop")

    def reset(self) -> None:
        """Empty Locust's own statistics (its page's); the plugin's windows need no reset."""
        self._change("/stats/reset")

    def state(self) -> LoadState:
        """:returns: how the load runs now."""
        return _load_state(self._chaosdrill("window", since=0, until=0))

    def window(self, since_s: float, until_s: float) -> Window:
        """:returns: what ended from ``since_s`` to before ``until_s`` (s since the epoch, load generator's clock)."""
        raw = self._chaosdrill("window", since=since_s, until=until_s)
        measured = {name: raw[name] for name in MEASURED}
        return Window(since_s=raw["since"], until_s=raw["until"], load=_load_state(raw), **measured)

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """:returns: what ended in each 0.1 s from ``since_s`` (load generator's clock) up to the watermark."""
        raw = self._chaosdrill("timeline", since=since_s)
        buckets = tuple((float(start), int(good), int(bad)) for start, good, bad in raw["buckets"])
        return TimelinePart(buckets, raw["watermark"])

    def closed_window(self, length_s: float, patience_s: float = 0.0) -> Window:
        """A window that begins now and is waited for until nothing of it can still arrive.

        :param length_s: its length in seconds.
        :param patience_s: for so many seconds, begin again after each failure that is seen.
        :returns: it, complete.
        :raises CannotSee: when it is not complete 10 s after its end (a worker is gone).
        """
        give_up_s = time.monotonic() + patience_s
        while True:
            since_s = self.state().now_s
            window = self._closed(since_s, since_s + length_s, give_up_s)
            if not window.failures or time.monotonic() >= give_up_s:
                return window

    def _closed(self, since_s: float, until_s: float, give_up_s: float) -> Window:
        """The window when it is complete; before, when it holds a failure and another one may be tried."""
        length_s = until_s - since_s
        try:
            return wait_for(
                lambda: self.window(since_s, until_s),
                lambda seen: seen.complete or (seen.failures > 0 and time.monotonic() < give_up_s),
                length_s + WATERMARK_LATE_S,
                f"the window of {length_s:g} s at {self.url} to close",
            )
        except TimedOut as error:
            raise CannotSee(f"{error}: a worker of this Locust does not report any more") from error

    def _chaosdrill(self, route: str, **query: float) -> Mapping[str, Any]:
        raw: Mapping[str, Any] = self._send("GET", f"/chaosdrill/{route}", params=query).json()
        return raw

    def _change(self, path: str) -> None:
        """POST in Locust 2.47, GET in older ones."""
        try:
            self._send("POST", path)
        except _MethodNotAllowed:
            self._send("GET", path)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        what = f"{method} {self.url}{path}"
        try:
            response = self._session.request(
                method, self.url + path, timeout=self._timeout_s, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise CannotSee(f"the load generator did not answer {what}: {error}") from error
        if response.status_code == 405:
            raise _MethodNotAllowed(f"{what}: HTTP 405")
        if response.status_code == 404 and path.startswith("/chaosdrill/"):
            raise CannotSee(f"the Locust at {self.url} runs without chaosdrill's plugin: {HOW_TO_START}")
        if response.status_code != 200:
            seen = f"HTTP {response.status_code}: {response.text[:200]}"
            raise CannotSee(f"the load generator answered {what} with {seen}")
        return response


HOW_TO_START = (
    "start it as `locust -f $(python -c 'import chaosdrill, pathlib; "
    'print(pathlib.Path(chaosdrill.__file__).with_name("load") / "plugin.py")\'),YOUR_LOCUSTFILE.py`'
)


class _MethodNotAllowed(CannotSee):
    pass


def load_generator(configuration: Mapping[str, Any] | None) -> LoadGenerator:
    """:returns: the load generator that the topology names."""
    return LoadGenerator(topology_of(configuration).load_generator.url)


def wait_for(look: Callable[[], T], good: Callable[[T], bool], within_s: float, what: str) -> T:
    """Look every 0.2 s until what is seen is good.

    :returns: it.
    :raises TimedOut: after ``within_s`` seconds, with what was seen last.
    """
    deadline = time.monotonic() + within_s
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise TimedOut(f"waited {within_s:g} s for {what}; last seen: {seen}")
        time.sleep(POLL_EVERY_S)
    return seen


def _load_state(raw: Mapping[str, Any]) -> LoadState:
    """:raises CannotSee: when the Locust that answers runs another version of the plugin."""
    try:
        return LoadState(
            now_s=raw["now"],
            state=raw["state"],
            user_count=raw["user_count"],
            target_user_count=raw["target_user_count"],
            workers=raw["workers"],
            locustfiles=tuple(raw["locustfiles"]),
            host=raw["host"],
        )
    except KeyError as error:
        raise CannotSee(
            f"the Locust that answers does not tell {error}: it runs another version of chaosdrill's plugin; "
            "start it with the plugin of the chaosdrill that runs the drill"
        ) from error
