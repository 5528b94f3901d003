"""When a safeguard trips: what it reads, what it cannot read, and one that does not answer."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaosdrill.controls.safeguards import Guard, GuardThreads, Miss, Patience, safeguards
from chaosdrill.errors import CannotSee
from tests.waiting import LONG_S, wait_for

HERE = "tests.unit.test_safeguards"
LONG = 10 * LONG_S  # s, a time limit that no test reaches

_values: list[Any] = []
_meanwhile: list[Callable[[], object]] = []
_go_on = threading.Event()


def reading() -> Any:
    """A probe that gives one value after the other, or raises it, after what is done meanwhile."""
    for work in _meanwhile:
        work()
    value = _values.pop(0)
    if isinstance(value, Exception):
        raise value
    return value


def hanging() -> int:
    """A probe that does not come back until it is let go."""
    assert _go_on.wait(LONG_S)
    return 2


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    _values.clear()
    _meanwhile.clear()
    _go_on.clear()
    yield
    _go_on.set()


Trips = list[tuple[str, bool]]


def probe(func: str = "reading", **more: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": HERE, "func": func}
    return {"type": "probe", "name": "guard", "tolerance": 1, "provider": provider, "timeout_s": LONG, **more}


def guard(trips: Trips, **more: Any) -> Guard:
    (one,) = safeguards([probe(**more)], {}, None, lambda name, why, unreadable: trips.append((name, unreadable)))
    return one


def tripped(values: list[Any], **more: Any) -> Trips:
    """What the looks at these values trip."""
    trips: Trips = []
    one = guard(trips, **more)
    _values[:] = values
    while _values:
        one.look()
    return trips


@pytest.mark.parametrize(
    ("values", "in_a_row", "trips"),
    [
        ([1, 1], 1, []),
        ([1, 2], 1, [("guard", False)]),
        ([2, 2, 2], 1, [("guard", False)]),
        ([2, 1, 2], 2, []),
        ([2, 1, 2, 2], 2, [("guard", False)]),
        ([CannotSee("it is dark")], 1, [("guard", True)]),
        (["unknown"], 1, [("guard", True)]),
        ([CannotSee("it is dark"), 1, ValueError("broken")], 2, []),
        ([2, CannotSee("it is dark")], 2, [("guard", True)]),
    ],
)
def test_a_safeguard_trips_once_after_so_many_misses_in_a_row(values: list[Any], in_a_row: int, trips: Trips) -> None:
    assert tripped(values, in_a_row=in_a_row) == trips


def test_a_look_that_crashes_is_a_miss_that_could_not_see() -> None:
    trips: Trips = []
    one = guard(trips, in_a_row=2)
    for _ in range(2):
        assert trips == []
        one.crashed(RuntimeError("no"))
    assert trips == [("guard", True)]


def test_a_probe_that_is_not_under_way_owes_no_answer() -> None:
    trips: Trips = []
    one = guard(trips, timeout_s=0.0)
    one.check_answer()
    _values[:] = [1, CannotSee("it is dark")]
    one.look()
    one.check_answer()
    assert trips == []
    one.look()
    one.check_answer()
    assert trips == [("guard", True)], "of the second look, which could not see"


def test_a_probe_under_way_has_its_whole_time_to_answer() -> None:
    trips: Trips = []
    one = guard(trips)
    _meanwhile.append(one.check_answer)
    _values[:] = [1]
    one.look()
    assert (_values, trips) == ([], [])


def test_a_probe_under_way_for_longer_than_its_time_cannot_see_and_its_answer_is_not_heard() -> None:
    trips: Trips = []
    one = guard(trips, timeout_s=0.001)

    def check() -> Trips:
        one.check_answer()
        return trips

    _meanwhile.append(lambda: wait_for(check))
    _values[:] = [2]
    one.look()
    assert (_values, trips) == ([], [("guard", True)])


def test_a_safeguard_whose_probe_hangs_is_found_out_by_another_thread() -> None:
    trips: Trips = []
    told = threading.Event()

    def tell(name: str, why: str, unreadable: bool) -> None:
        trips.append((name, unreadable))
        told.set()

    guards = GuardThreads(safeguards([probe("hanging", timeout_s=0.001)], {}, None, tell))
    guards.start()
    assert told.wait(LONG_S)
    _go_on.set()
    guards.stop()
    assert trips == [("guard", True)]


def test_a_safeguard_that_is_stopped_trips_no_more() -> None:
    trips: Trips = []
    hanging_often = [probe("hanging", frequency=0.01)]
    guards = GuardThreads(safeguards(hanging_often, {}, None, lambda name, *_: trips.append((name, True))))
    before = set(threading.enumerate())
    guards.start()
    started = set(threading.enumerate()) - before
    guards.stop()
    _go_on.set()
    for thread in started:
        thread.join(LONG_S)
    assert (len(started), [one.is_alive() for one in started], trips) == (2, [False, False], [])


@pytest.mark.parametrize(
    ("reads", "trips"),
    [
        ([None, "engaged"], [("lever", False)]),
        ([CannotSee("dark"), CannotSee("dark"), None, CannotSee("dark"), CannotSee("dark")], []),
        ([CannotSee("dark"), "engaged"], [("lever", False)]),
        ([CannotSee("dark"), CannotSee("dark"), CannotSee("dark")], [("lever", True)]),
    ],
)
def test_a_guard_may_bear_what_is_unreadable_for_longer_than_what_is_wrong(reads: list[Any], trips: Trips) -> None:
    found: Trips = []

    def read() -> Miss | None:
        value = reads.pop(0)
        if isinstance(value, Exception):
            raise value
        return Miss(value) if value else None

    one = Guard("lever", read, lambda name, why, unreadable: found.append((name, unreadable)), Patience(unreadable=3))
    while reads:
        one.look()
    assert found == trips
