"""Requests that a load script reports itself (``request.fire``), with values of every kind: what Locust counts as a
failure is one in the windows and in the rows, and what cannot be recorded makes a window unreadable.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.client.collecting import CollectedSource, finish
from chaosdrill.client.load_generator import LoadGenerator
from chaosdrill.client.plugin_responses import LoadWindow
from chaosdrill.load.actions import start_load
from chaosdrill.load.probes import error_ratio, failures, latency_ms
from tests.contract import load_rig
from tests.contract.load_records_rig import Request, files
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

OK, REFUSED, TIMEOUT, ERROR = 0, 1, 2, 3
ROUNDS = 5

REPORTED = """
from locust import User, constant, task

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__

class Odd:
    args = reason = 7

class Answer:
    status_code = "UNAVAILABLE"
    error = "UNAVAILABLE"

class Answered:
    status_code = 503

class Falsy(Exception):
    def __bool__(self):
        return False

class Undecided(Exception):
    def __bool__(self):
        raise RuntimeError("nobody knows")

def fire(user, name, exception=None, response_time=20.0, response_length=2, **more):
    user.environment.events.request.fire(
        request_type="RPC", name=name, response_time=response_time, response_length=response_length,
        exception=exception, **more)

def reported(user):
    fire(user, "text", "UNAVAILABLE")
    fire(user, "long text", "first line " + "x" * 500 + "\\nsecond")
    fire(user, "class", TimeoutError)
    fire(user, "dictionary", {"code": 14})
    fire(user, "number", 14)
    fire(user, "unprintable", Unprintable("x"))
    fire(user, "odd", Odd())
    fire(user, "text and answer", "UNAVAILABLE", response=Answer())
    fire(user, "text and status", "too slow", response=Answered())
    fire(user, "no time", "UNAVAILABLE", response_time=None, context=None)
    fire(user, "context", "UNAVAILABLE", context="none")
    fire(user, "other arguments", ValueError("x"), ended=1)
    for name, none in [("none", None), ("empty", ""), ("zero", 0), ("false", False), ("falsy", Falsy())]:
        fire(user, name, none)
    fire(user, "good answer", None, response=Answer())
    fire(user, "good without time", None, response_time=None)

def broken_in_locust(user):
    fire(user, "not a number", "UNAVAILABLE", response_time=float("nan"))
    fire(user, "negative", "UNAVAILABLE", response_time=-5.0)
    fire(user, "text as time", "UNAVAILABLE", response_time="soon")
    fire(user, "text as length", "UNAVAILABLE", response_length="long")
    fire(user, "no length", "UNAVAILABLE", response_length=None)
    fire(user, ["a", "list"], "UNAVAILABLE")

def named_oddly(user):
    fire(user, 17, "UNAVAILABLE")
    fire(user, "half a \\ud83d pair", "UNAVAILABLE")

def undecided(user):
    fire(user, "good")
    fire(user, "undecided", Undecided("x"))

class Reporter(User):
    wait_time, tasks = constant(0.05), [TASK]
"""
FAILED = {
    "text": (ERROR, 0, "UNAVAILABLE"),
    "long text": (ERROR, 0, "first line " + "x" * 69),
    "class": (TIMEOUT, 0, "TimeoutError"),
    "dictionary": (ERROR, 0, "dict"),
    "number": (ERROR, 0, "int"),
    "unprintable": (ERROR, 0, "Unprintable"),
    "odd": (ERROR, 0, "Odd"),
    "text and answer": (ERROR, 0, "UNAVAILABLE"),
    "text and status": (REFUSED, 503, "too slow"),
    "no time": (ERROR, 0, "UNAVAILABLE"),
    "context": (ERROR, 0, "UNAVAILABLE"),
    "other arguments": (ERROR, 0, "ValueError"),
}
SUCCEEDED = ("none", "empty", "zero", "false", "falsy", "good answer", "good without time")
BROKEN_IN_LOCUST = ("not a number", "negative", "text as time", "text as length", "no length", "['a', 'list']")


@dataclass(frozen=True)
class Observed:
    """What the plugin counted and recorded of some rounds, and what Locust's own statistics say."""

    window: LoadWindow
    requests: list[Request]
    collected: tuple[CollectedSource, ...]
    statistics: dict[str, Any]


def run(directory: Path, task: str, *arguments: str, users: int = 1) -> Observed:
    script = load_rig.script(directory, REPORTED.replace("TASK", task))
    with load_rig.locust(directory, script, *arguments) as generator:
        wait_for(generator.state, lambda load: load.workers == (2 if arguments else 1), "the workers")
        since_s = load_rig.bucket_of_its_own(generator)
        generator.swarm(users, 100, "http://127.0.0.1:9")
        wait_for(
            lambda: generator.window(since_s, generator.state().now_s),
            lambda seen: seen.requests + seen.unrecorded >= ROUNDS * 20,
            "several rounds",
        )
        generator.stop()
        wait_for(generator.state, lambda load: load.state == "stopped", "the end")
        window = generator.window(since_s, generator.closed_window(0.3).until_s)
        statistics = locusts_own(generator, window.requests) if task != "named_oddly" else {}
        collected = finish(generator, directory / "collected", within_s=LONG_S)
        requests = [row for one in files(directory / "collected").values() for row in one.requests]
        return Observed(window, requests, collected, statistics)


def locusts_own(generator: LoadGenerator, requests: int) -> dict[str, Any]:
    """:returns: Locust's own statistics when they are final."""
    final = wait_for(
        generator.statistics,
        lambda said: said["state"] == "stopped" and said["stats"][-1]["num_requests"] >= requests,
        "Locust's own statistics",
    )
    return dict(final)


def by_name(seen: Observed) -> dict[str, tuple[int, int]]:
    """:returns: requests and failures of each name, as Locust has them."""
    return {str(row["name"]): (row["num_requests"], row["num_failures"]) for row in seen.statistics["stats"]}


def two_workers() -> tuple[str, ...]:
    with load_rig.listening() as reserved:
        port = str(reserved.getsockname()[1])
    return ("--processes", "2", "--master-bind-port", port, "--master-port", port)


@pytest.mark.parametrize("workers", [False, True], ids=["alone", "with workers"])
def test_whatever_locust_counts_as_a_failure_is_one(tmp_path: Path, workers: bool) -> None:
    seen = run(tmp_path, "reported", *(two_workers() if workers else ()), users=2)
    locusts = by_name(seen)
    total = locusts.pop("Aggregated")
    assert (seen.window.requests, seen.window.failures, seen.window.unrecorded) == (*total, 0)
    assert 0 < total[1] < total[0]
    rows = Counter(row.name for row in seen.requests)
    failed = Counter(row.name for row in seen.requests if row.outcome != OK)
    assert {name: (rows[name], failed[name]) for name in rows} == locusts
    assert {row.name: (row.outcome, row.status, row.error) for row in seen.requests if row.outcome != OK} == FAILED
    assert set(rows) - set(failed) == set(SUCCEEDED)
    assert [one.complete for one in seen.collected] == [True] * len(seen.collected)
    assert seen.window.p50_ms == pytest.approx(20, rel=0.025), "a response time that is unknown is not 0"
    assert seen.window.mean_ms == pytest.approx(20)


def test_values_that_break_locusts_own_listener_are_counted_all_the_same(tmp_path: Path) -> None:
    seen = run(tmp_path, "broken_in_locust")
    assert seen.window.requests == seen.window.failures == seen.statistics["stats"][-1]["num_requests"] > 0
    assert {row.name for row in seen.requests} == set(BROKEN_IN_LOCUST)
    assert {row.outcome for row in seen.requests} == {ERROR}
    assert len(seen.requests) == seen.window.requests


@pytest.mark.parametrize("workers", [False, True], ids=["alone", "with workers"])
def test_a_name_that_breaks_locusts_own_statistics_is_recorded(tmp_path: Path, workers: bool) -> None:
    seen = run(tmp_path, "named_oddly", *(two_workers() if workers else ()))
    assert seen.window.requests == seen.window.failures == len(seen.requests) > 0
    assert {row.name for row in seen.requests} == {"17", "half a \ud83d pair"}


def test_a_request_that_cannot_be_recorded_makes_the_window_unreadable_and_the_records_incomplete(
    tmp_path: Path,
) -> None:
    seen = run(tmp_path, "undecided")
    assert seen.window.requests == Counter(row.name for row in seen.requests)["good"]
    assert seen.window.requests + seen.window.unrecorded == seen.statistics["stats"][-1]["num_requests"]
    assert seen.window.unrecorded > 0
    assert [one.complete for one in seen.collected] == [False]


@contextmanager
def started(directory: Path, task: str) -> Iterator[dict[str, str]]:
    with load_rig.locust(directory, load_rig.script(directory, REPORTED.replace("TASK", task))) as generator:
        configuration = {"topology": str(load_rig.write_topology(directory / "topology.yaml", generator.url))}
        start_load(1, 10, "http://127.0.0.1:9", within_s=20, configuration=configuration)
        yield configuration


def test_probes_fail_in_a_window_with_requests_that_could_not_be_recorded(tmp_path: Path) -> None:
    with started(tmp_path, "undecided") as configuration:
        for probe in (failures, error_ratio):
            with fails_with("load-requests-unrecorded"):
                probe(0.5, 1, configuration=configuration)


def test_probes_count_what_a_script_reports_and_know_no_latency_of_what_has_none(tmp_path: Path) -> None:
    with started(tmp_path, "reported") as configuration:
        assert failures(0.5, 1, endpoint="text", configuration=configuration) > 0
        assert error_ratio(0.5, 1, "text", configuration=configuration) == 1
        assert error_ratio(0.5, 1, "empty", configuration=configuration) == 0
        with fails_with("load-times-unknown"):
            latency_ms(50, 0.5, 1, "good without time", configuration=configuration)
