"""Responses of chaosdrill's Locust plugin, as frozen values."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from chaosdrill.errors import CannotSee, Problem, problem

MEASURED = (
    "requests",
    "failures",
    "exceptions",
    "unrecorded",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "max_ms",
    "percentile_ms",
    "complete",
)

MOST_TROUBLE = 2_000  # longest reason for missing rows, in characters


@dataclass(frozen=True)
class LoadState:
    """State of the load test at a moment. Times are on the load generator's clock, in seconds since the epoch.

    :param distributed: whether the users run in workers, not in the process that responds.
    :param workers_expected: number of workers that Locust was started to expect (``--expect-workers``).
    :param workers_wanted: number of workers with which the test began, at least ``workers_expected``.
    :param workers_gone: how many of the workers with which the test began are gone.
    :param as_meant_since_s: since when all users and workers have been present without a break; None: they are not.
    :param started_s: when the test began.
    :param stopping_s: when it was stopped.
    :param ends_s: when it will end by itself.
    :param user_classes: the user classes in use.
    :param user_classes_available: the user classes of the load script.
    :param shape: name of the script's own LoadTestShape, which then sets the number of users.
    :param exceptions: how many exceptions the load script raised in this test.
    :param exception_messages: the most common messages of those exceptions.
    :param errors: the most common errors of requests in this test as Locust reports them, and how often each occurred;
        errors in workers are up to 3 s old.
    """

    now_s: float
    state: str
    user_count: int
    target_user_count: int
    spawn_rate_per_s: float | None
    distributed: bool
    workers: int
    workers_expected: int
    workers_wanted: int
    workers_gone: int
    as_meant_since_s: float | None
    started_s: float | None
    stopping_s: float | None
    ends_s: float | None
    locustfiles: tuple[str, ...]
    host: str | None
    user_classes: tuple[str, ...]
    user_classes_available: tuple[str, ...]
    shape: str
    exceptions: int
    exception_messages: tuple[str, ...]
    errors: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """Return the state in words, for messages."""
        said = f"state {self.state!r}, {self.user_count} of {self.target_user_count} users"
        if self.distributed:
            said += f", {self.workers} of {self.workers_wanted} workers"
        if self.exceptions:
            said += f", {self.exceptions} exceptions of the load script, most often {self.exception_messages[0]!r}"
        return said

    @property
    def running(self) -> bool:
        """Whether all requested users and workers are present and running."""
        return not self.problems()

    def problems(self) -> list[Problem]:
        """Return why a measurement would not reflect the requested load; empty when it would."""
        problems = []
        if self.state != "running":
            problems.append(problem("load-not-running", f"its state is {self.state!r}, not 'running'"))
        if self.state in ("ready", "stopped"):
            return problems  # no user is meant to be at work then
        if self.user_count < self.target_user_count:
            problems.append(problem("load-users-missing", self._missing_users()))
        elif self.state == "running" and not self.target_user_count:
            problems.append(problem("load-users-missing", "it runs without users"))
        if self.workers_gone:
            text = (
                f"{self.workers_gone} of the {self.workers_wanted} workers that the test began with are gone: "
                "start_load begins anew with those that are there"
            )
            problems.append(problem("load-workers-missing", text))
        elif self.workers < self.workers_wanted:
            text = f"{self.workers} of {self.workers_wanted} workers are there"
            problems.append(problem("load-workers-missing", text))
        return problems

    def _missing_users(self) -> str:
        """Return why users are missing. Without workers none can be lost: users are still being added, or ended by
        themselves.
        """
        text = f"{self.user_count} of {self.target_user_count} users are at work"
        if self.state == "spawning":
            return f"{text}: they are still being added"
        if self.distributed:
            return f"{text} (did a worker go away?)"
        if self.exceptions:
            return (
                f"{text}: the load script raised {self.exceptions} exceptions, such as {self.exception_messages[0]!r}"
            )
        return f"{text}: the others ended by themselves (does the load script raise StopUser?)"


@dataclass(frozen=True)
class RequestedEndpoints:
    """The endpoints that were requested in a window, and the regions that responded.

    :param seen: method, name and number of requests of each endpoint.
    :param regions: requests to the selected endpoint, by the region that responded, or by the address where the
        response names no region; empty: neither is known.
    :param whole: whether the counts by endpoint still cover the whole window.
    :param too_many: requests to endpoints beyond those that are counted separately.
    """

    seen: tuple[tuple[str, str, int], ...]
    regions: Mapping[str, int]
    whole: bool
    too_many: int

    @property
    def addresses(self) -> tuple[str, ...]:
        """The keys of ``regions`` that are addresses."""
        return tuple(sorted(name for name in self.regions if _is_address(name)))

    def with_regions_of(self, owners: Mapping[str, str]) -> "RequestedEndpoints":
        """Return a copy in which the requests of each address count for its region.

        An address without a region stays, unless responses name their region: then it does not belong to the
        application.

        :param owners: region by address.
        """
        some_name_it = any(name and not _is_address(name) for name in self.regions)
        regions = Counter[str]()
        for name, requests in self.regions.items():
            without = "" if some_name_it and _is_address(name) else name
            regions[owners.get(name, without)] += requests
        return replace(self, regions=regions)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class LoadWindow:
    """Requests that ended between two moments (load generator's clock), and the state of the load test when it was
    read.

    Times in ms are None where there is no request.

    :param unrecorded: requests that ended with an unknown outcome.
    :param complete: whether no more requests of the window can arrive.
    :param endpoints: the endpoints that were requested, when one was selected.
    """

    since_s: float
    until_s: float
    requests: int
    failures: int
    exceptions: int
    unrecorded: int
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    max_ms: float | None
    percentile_ms: float | None
    complete: bool
    endpoints: RequestedEndpoints | None
    load: LoadState

    def __str__(self) -> str:
        """Return the window in words, for messages."""
        said = f"{self.load}; {self.requests} requests ended, {self.failures} of them failed"
        if self.failures and self.load.errors:
            error, count = self.load.errors[0]
            said += f", most often with {error} ({count})"
        return said if self.complete else f"{said}; not all of them are known yet"


@dataclass(frozen=True)
class TimelinePart:
    """A part of the timeline of requests.

    :param buckets: (start in s since the epoch, succeeded, failed) per 0.1 s; final up to ``watermark_s``.
    :param stopping_s: when the last test was stopped or ended by itself; None while one runs, and before the first.
    """

    buckets: tuple[tuple[float, int, int], ...]
    watermark_s: float
    stopping_s: float | None = None


@dataclass(frozen=True)
class RequestFiles:
    """The files in which Locust records the rows of its requests.

    :param directory: path on its host.
    :param files: size of each file in bytes.
    :param trouble: why rows are missing; empty: none are known to be.
    """

    directory: str
    files: Mapping[str, int]
    trouble: str = ""


def records_of(raw: Mapping[str, Any]) -> RequestFiles:
    """Return the files in a response of Locust's page.

    :raises CannotSee: when the response is not as the plugin writes it.
    """
    directory, files, trouble = raw.get("directory"), raw.get("files"), str(raw.get("trouble") or "")
    sizes = list(files.values()) if isinstance(files, dict) else [None]
    if not isinstance(directory, str) or not all(type(size) is int and size >= 0 for size in sizes):
        raise CannotSee("the load generator responds with no list of its files", code="locust-response-unexpected")
    return RequestFiles(directory, dict(files or {}), trouble[:MOST_TROUBLE])


@dataclass(frozen=True)
class RequestSelection:
    """Selection of a window's requests: all of them, those of one endpoint, or those that one region responded to.

    :param percentile: the percentile to compute besides the usual ones.
    :param regions_of: returns the region of each address that has one, for responses that do not name their region.
    """

    name: str = ""
    method: str = ""
    percentile: float = 100.0
    region: str = ""
    regions_of: Callable[[Sequence[str]], Mapping[str, str]] = field(default=lambda addresses: {}, compare=False)

    def query(self, addresses: Sequence[str] = ()) -> dict[str, Any]:
        """Return the selection as the plugin's query parameters.

        :param addresses: the addresses of the region.
        """
        regions = [self.region, *addresses] if self.region else []
        share = {"name": self.name, "method": self.method, "region": regions}
        return {key: value for key, value in share.items() if value} | {"percentile": self.percentile}


def window_of(raw: Mapping[str, Any]) -> LoadWindow:
    """Return the window in a response of the plugin.

    :raises CannotSee: when the Locust runs another version of the plugin.
    """
    load = load_state_of(raw)
    with parsing_response():
        measured = {name: raw[name] for name in MEASURED}
        found = raw["endpoints"]
        endpoints = found and RequestedEndpoints(
            tuple(map(tuple, found["seen"])), found["regions"], found["whole"], found["too_many"]
        )
        return LoadWindow(since_s=raw["since"], until_s=raw["until"], load=load, endpoints=endpoints, **measured)


def load_state_of(raw: Mapping[str, Any]) -> LoadState:
    """Return the state of the load test in a response of the plugin.

    :raises CannotSee: when the Locust runs another version of the plugin.
    """
    with parsing_response():
        return LoadState(
            now_s=raw["now"],
            state=raw["state"],
            user_count=raw["user_count"],
            target_user_count=raw["target_user_count"],
            spawn_rate_per_s=raw["spawn_rate"],
            distributed=raw["distributed"],
            workers=raw["workers"],
            workers_expected=raw["workers_expected"],
            workers_wanted=raw["workers_wanted"],
            workers_gone=raw["workers_gone"],
            as_meant_since_s=raw["as_meant_since"],
            started_s=raw["started"],
            stopping_s=raw["stopping"],
            ends_s=raw["ends"],
            locustfiles=tuple(raw["locustfiles"]),
            host=raw["host"],
            user_classes=tuple(raw["user_classes"]),
            user_classes_available=tuple(raw["user_classes_available"]),
            shape=raw["shape"],
            exceptions=raw["exceptions"],
            exception_messages=tuple(raw["exception_messages"]),
            errors=tuple((str(text), int(count)) for text, count in raw["errors"]),
        )


@contextmanager
def parsing_response() -> Iterator[None]:
    """Convert errors in parsing a response of Locust's page.

    :raises CannotSee: when the Locust runs another version of the plugin, or runs without it.
    """
    try:
        yield
    except KeyError as error:
        raise CannotSee(
            f"the Locust that responds does not report {error}: it runs another version of chaosdrill's plugin; "
            "start it with the plugin of the chaosdrill that runs the drill",
            code="locust-plugin-version",
        ) from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        text = f"the load generator's page responds with something else than chaosdrill's plugin does: {error}"
        raise CannotSee(text, code="locust-response-unexpected") from error
