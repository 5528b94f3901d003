"""Watchers of a drill that cannot look: they go on, and the history says once that they were blind."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chaosdrill import region
from chaosdrill.aws.read_coalescing import ReadResult
from chaosdrill.controls.display import Status
from chaosdrill.controls.monitors import Lookout
from chaosdrill.controls.record import DrillRecord
from chaosdrill.controls.watching import Periodic, RegionWatch
from chaosdrill.errors import CannotSee
from tests.waiting import LONG_S, wait_for

BROKEN = [CannotSee("it is dark"), OSError("no route"), ValueError("broken"), KeyError("missing")]


def started(start: Callable[[], Any]) -> threading.Thread:
    """The thread that ``start`` begins."""
    before = set(threading.enumerate())
    start()
    (thread,) = set(threading.enumerate()) - before
    return thread


def _at_least(looks: int, thread: threading.Thread) -> Callable[[int], bool]:
    return lambda count: count >= looks or not thread.is_alive()


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_watcher_tells_each_look_that_failed_and_looks_again(error: Exception) -> None:
    heard: list[Exception] = []
    go_on = threading.Semaphore(0)

    def look() -> None:
        assert go_on.acquire(timeout=LONG_S)
        raise error

    watcher = Periodic("test", 0.0, look, heard.append)
    thread = started(watcher.start)
    for looks in range(1, 4):
        go_on.release()
        wait_for(lambda: len(heard), _at_least(looks, thread))
        assert heard == [error] * looks
    watcher._stop.set()
    go_on.release()
    thread.join(LONG_S)
    assert (thread.is_alive(), heard) == (False, [error] * 3), "of the look that the end overtook nothing is told"


def test_a_watcher_may_end_itself() -> None:
    done, go_on = threading.Event(), threading.Event()

    def look() -> None:
        assert go_on.wait(LONG_S)
        watcher.stop()
        done.set()

    watcher = Periodic("test", 0.0, look, lambda error: None)
    thread = started(watcher.start)
    go_on.set()
    thread.join(LONG_S)
    assert (done.is_set(), thread.is_alive()) == (True, False), "it does not wait for itself"


def test_a_watch_that_goes_blind_is_recorded_once_and_goes_on() -> None:
    record, lost = DrillRecord(), list[str]()
    looks: list[int] = []

    def gone() -> str:
        looks.append(1)
        if len(looks) <= 2:
            raise CannotSee("the control socket does not answer")
        return "the lab was ended"

    lookout = Lookout(Status(), record)
    thread = started(lambda: lookout.watch_target(gone, lost.append))
    wait_for(lambda: lost or not thread.is_alive())
    lookout.close()
    assert (lost, len(looks)) == (["the lab was ended"], 3)
    assert [(row["event"], row["watch"]) for row in record.events] == [("watch-failed", "target")]


HOME, STANDBY = ({"serves": name} for name in ("home", "standby"))


def test_a_read_of_the_region_does_not_wait_for_that_of_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    held, reported = threading.Event(), list[str]()

    def read_region(*_: Any) -> ReadResult:
        if threading.current_thread() is not threading.main_thread():
            assert held.wait(LONG_S)
            return ReadResult(1.0, 1, 2, HOME, None)
        return ReadResult(2.0, 3, 4, STANDBY, None)

    monkeypatch.setattr(region, "read_region", read_region)
    monkeypatch.setattr(region, "verdict", lambda facts: facts["serves"])
    watch = RegionWatch({}, None, lambda state, facts: reported.append(state), lambda *_: None)
    other = threading.Thread(target=watch.look)
    other.start()
    main = threading.Timer(LONG_S, held.set)  # ends the test where the two wait for each other
    main.daemon = True
    main.start()
    assert (watch.look(), held.is_set()) == ("standby", False)
    held.set()
    other.join(LONG_S)
    assert (reported, watch.state, watch.looks) == (["standby"], "standby", 1), "an older reading reports nothing"
    main.cancel()
