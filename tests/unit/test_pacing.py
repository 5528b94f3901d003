"""One look at a time at each resource, and a pause between them, however many look; nobody gets an old answer."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosdrill.aws import read_coalescing
from chaosdrill.aws.read_coalescing import ReadResult, leading, paced
from chaosdrill.history import History, OpenDrill
from chaosdrill.history.open_drill import opened
from tests.waiting import LONG_S

EVERY_S = 0.05


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_coalescing, "_resources", {})
    monkeypatch.setattr(read_coalescing, "EVERY_S", EVERY_S)
    monkeypatch.setattr(read_coalescing, "GRACE_S", EVERY_S / 4)


class Looks:
    """Counts looks, and those that go on at the same time."""

    def __init__(self) -> None:
        self.count = self.at_once = self.most_at_once = 0

    def __call__(self) -> int:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.count += 1
        time.sleep(0.002)  # a look takes time, in which others come
        self.at_once -= 1
        return self.count


def gaps(answers: Iterable[ReadResult]) -> list[float]:
    return [after - before for before, after in pairwise(sorted({one.began_s for one in answers}))]


def together(*work: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(work)) as pool:
        return [one.result() for one in [pool.submit(each) for each in work]]


def test_looks_are_a_pace_apart_and_each_answer_is_younger_than_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    pace_s = 0.3  # a busy machine wakes all who ask within it
    monkeypatch.setattr(read_coalescing, "EVERY_S", pace_s)
    looks = Looks()

    def ask() -> None:
        for _ in range(4):
            asked = time.monotonic()
            answers.append(paced("table", looks))
            assert answers[-1].began_s > asked

    answers: list[ReadResult] = []
    together(*[ask] * 5)
    assert looks.most_at_once == 1
    assert min(gaps(answers)) >= pace_s
    assert looks.count < 15, "five that ask share most of the answers"


def test_another_resource_has_a_pace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_coalescing, "EVERY_S", 600.0)
    looks = Looks()
    for number in range(5):
        paced(number, looks)
    assert looks.count == 5


def test_an_older_answer_is_good_for_who_says_so() -> None:
    looks = Looks()
    first = paced("table", looks)
    assert paced("table", looks, since_s=first.began_s - 1) is first
    assert paced("table", looks, since_s=first.began_s).value == 2


def test_an_older_look_that_failed_is_good_for_nobody() -> None:
    """One failed call would have been told again and again, as long as older answers are good."""
    tries = iter([OSError("throttled"), "read"])

    def look() -> str:
        found = next(tries)
        if isinstance(found, OSError):
            raise found
        return found

    began_s = time.monotonic()
    assert isinstance(paced("list", look, began_s).error, OSError)
    assert paced("list", look, began_s).value == "read"
    assert paced("list", look, began_s).value == "read", "and that one is"


def test_a_single_look_waits_for_that_of_a_watch_and_does_not_upset_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_coalescing, "GRACE_S", LONG_S)
    of_watch, of_steps = Looks(), Looks()
    answers = [paced("table", of_watch)]
    ended: list[bool] = []

    def watch() -> None:
        with leading():
            while len(ended) < 2:
                answers.append(paced("table", of_watch))

    def steps() -> None:
        for _ in range(4):
            assert paced("table", of_steps).value > 1
        ended.append(True)

    together(watch, steps, steps)
    assert min(gaps(answers)) >= EVERY_S
    assert (of_watch.count, of_steps.count) == (len(answers), 0)


def test_an_error_is_everybodys_who_waits_for_that_look() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        assert go_on.wait(LONG_S)
        raise ValueError("throttled")

    def late() -> object:
        return paced("table", fail, since_s=0.0)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(late)
        assert begun.wait(LONG_S)
        second = pool.submit(late)
        go_on.set()
        answers = [first.result(), second.result()]
    assert answers[0] is answers[1]
    with pytest.raises(ValueError, match="throttled"):
        _ = answers[0].value  # type: ignore[attr-defined]
    assert paced("table", lambda: "well").value == "well"


def test_a_look_that_is_interrupted_leaves_the_next_one_to_others() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paced("table", interrupted)
    assert paced("table", lambda: 1).value == 1


def test_nobody_waits_where_the_target_was_told_to_hurry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_coalescing, "EVERY_S", 60.0)
    log = History(tmp_path / "history.jsonl")
    with opened(OpenDrill("run", tmp_path, log)):
        log.append("target-hurried")
        assert [paced("table", Looks()).value for _ in range(3)] == [1, 1, 1]
    log.close()


@settings(max_examples=15)
@given(pauses=st.lists(st.lists(st.floats(0, 0.01), min_size=1, max_size=5), min_size=1, max_size=4))
def test_however_many_ask_whenever_they_ask(pauses: list[list[float]]) -> None:
    read_coalescing._resources.clear()
    read_coalescing.EVERY_S = 0.01
    looks = Looks()
    answers: list[ReadResult] = []

    def ask(waits: list[float]) -> None:
        for wait_s in waits:
            time.sleep(wait_s)
            asked = time.monotonic()
            answers.append(paced("table", looks))
            assert answers[-1].began_s > asked

    together(*(lambda waits=waits: ask(waits) for waits in pauses))  # type: ignore[misc]
    assert looks.most_at_once == 1
    assert all(gap >= 0.01 for gap in gaps(answers))
