"""Rows of a load: fetched once by several at the same time, and beside the end of their Locust."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from chaosdrill.client.collecting import collect
from chaosdrill.client.plugin_responses import RequestFiles
from chaosdrill.controls.record import DrillRecord
from chaosdrill.controls.record_collection import LoadRecords
from chaosdrill.errors import CannotSee
from tests.failing import fails_with

ROWS = b'{"chaosdrill": "requests", "source": "a", "run": ""}\n["r",1]\n["r",2]\n["w",3]\n'


class Slow:
    """A Locust whose answer takes so long that another one asks meanwhile."""

    last_records = records_directory = None

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._both = threading.Barrier(2)

    def records(self) -> RequestFiles:
        return RequestFiles("elsewhere", {"requests-a.jsonl": len(ROWS)})

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        self.asked.append(offset)
        with suppress(threading.BrokenBarrierError):  # nobody else came: they wait for their turn
            self._both.wait(0.5)
        return ROWS[offset:]


def test_two_that_fetch_at_the_same_time_append_no_row_twice(tmp_path: Path) -> None:
    locust: Any = Slow()
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(collect, locust, tmp_path) for _ in range(2)]:
            one.result()
    assert (tmp_path / "requests-a.jsonl").read_bytes() == ROWS
    assert locust.asked == [0]


class Ending(Slow):
    """A Locust whose clock cannot be read, because it has ended, by itself or not."""

    look_every_s = 0.0

    def __init__(self, has_ended: bool) -> None:
        super().__init__()
        self.has_ended = has_ended

    def clocks(self) -> Any:
        raise CannotSee("the Locust did not respond", code="locust-response-unexpected")

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        return ROWS[offset:]


def load_records(generator: Ending, directory: Path) -> LoadRecords:
    record = DrillRecord()
    record.remember("load-starting")
    none_yet = iter([None])
    return LoadRecords(cast(Any, lambda: next(none_yet, generator)), directory, record)


def test_a_locust_that_this_process_ends_while_its_clock_is_read_is_no_trouble(tmp_path: Path) -> None:
    load_records(Ending(has_ended=True), tmp_path).look()
    assert (tmp_path / "requests-a.jsonl").read_bytes() == ROWS


def test_a_locust_that_ended_otherwise_is(tmp_path: Path) -> None:
    with fails_with("locust-response-unexpected"):
        load_records(Ending(has_ended=False), tmp_path).look()
