"""Who watches shares a reading of the facts; who looks once reads by itself."""

import threading

import pytest

from chaosdrill.aws import read_coalescing
from chaosdrill.region import shared_reading


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(read_coalescing, "_resources", {})
    monkeypatch.setattr(read_coalescing, "EVERY_S", 0.05)
    return []


def reading(readings: list[int]) -> dict[str, int]:
    def read() -> dict[str, int]:
        readings.append(len(readings))
        return {"number": readings[-1]}

    return shared_reading.shared("system", read).value


def in_thread(work: object) -> None:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_a_single_look_reads_by_itself_each_time(readings: list[int]) -> None:
    assert [reading(readings)["number"] for _ in range(2)] == [0, 1]


def test_a_watcher_takes_what_somebody_has_just_read_but_no_reading_twice(readings: list[int]) -> None:
    seen: list[int] = []

    def watch() -> None:
        shared_reading.watch()
        seen.extend(reading(readings)["number"] for _ in range(2))

    reading(readings)
    in_thread(watch)
    assert seen == [0, 1]
    in_thread(watch)
    assert seen == [0, 1, 1, 2], "another watcher takes the newest"


def test_what_is_too_old_is_read_again(readings: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reading, "FRESH_S", 0.0)
    reading(readings)

    def watch() -> None:
        shared_reading.watch()
        assert reading(readings)["number"] == 1

    in_thread(watch)
    assert readings == [0, 1]


def test_who_waits_takes_nothing_from_before(readings: list[int]) -> None:
    reading(readings)
    with shared_reading.waiting():
        assert reading(readings)["number"] == 1
        in_thread(lambda: reading(readings))
        assert reading(readings)["number"] == 2, "what another has read meanwhile"
    assert reading(readings)["number"] == 3


def test_systems_are_not_mixed(readings: list[int]) -> None:
    def watch() -> None:
        shared_reading.watch()
        reading(readings)
        assert shared_reading.shared("another", lambda: {"number": 99}).value == {"number": 99}

    in_thread(watch)
