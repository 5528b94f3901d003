"""Rows of a load are fetched once, whoever fetches them at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaosdrill.client.collecting import collect
from chaosdrill.client.load_seen import Records

ROWS = b'{"chaosdrill": "requests", "source": "a", "run": ""}\n["r",1]\n["r",2]\n["w",3]\n'


class Slow:
    """A Locust whose answer takes so long that another one asks meanwhile."""

    last_records = records_directory = None

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._both = threading.Barrier(2)

    def records(self) -> Records:
        return Records("elsewhere", {"requests-a.jsonl": len(ROWS)})

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
