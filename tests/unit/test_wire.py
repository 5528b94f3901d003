"""The control socket: answers, refusals, leases, and paths too long for a socket address."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosdrill.errors import LabError
from chaosdrill.lab import control_socket
from tests.failing import fails_with
from tests.loops import end_everything
from tests.waiting import LONG_S


class Served:
    """A control socket served by an event loop in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed: list[int] = []
        self.closings = threading.Semaphore(0)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = self._run(control_socket.serve(path, {"add": add, "fail": fail, "who": who}, self._on_close))

    def _on_close(self, number: int) -> None:
        self.closed.append(number)
        self.closings.release()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(5)

    def stop(self) -> None:
        if self.loop.is_closed():
            return
        self._run(end_everything(self.server))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def add(a: int, b: int) -> int:
    return a + b


async def fail(kind: str) -> None:
    raise LabError("the lab says no") if kind == "lab" else ValueError("surprise")


async def who(connection: int) -> int:
    return connection


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    directory = tmp_path / ("long" * 40)  # a socket address holds 108 bytes
    directory.mkdir()
    one = Served(directory / "control.sock")
    yield one
    one.stop()


def test_answers(served):
    assert control_socket.call(served.path, "add", a=2, b=3) == 5


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda path: control_socket.call(path, "fail", kind="lab"), "the lab says no"),
        (lambda path: control_socket.call(path, "fail", kind="other"), "ValueError: surprise"),
        (lambda path: control_socket.call(path, "add", a=1), "TypeError"),
        (lambda path: control_socket.call(path, "nothing"), "KeyError: 'nothing'"),
    ],
)
def test_says_why_not(served: Served, ask: Callable[[Path], None], said: str):
    with fails_with("lab-request-failed") as refused:
        ask(served.path)
    assert said in str(refused.value)


def test_a_refusal_leaves_the_connection_usable(served):
    with control_socket.Connection(served.path) as connection:
        with pytest.raises(LabError):
            connection.call("fail", kind="lab")
        assert connection.call("add", a=1, b=1) == 2


def test_a_lease_ends_when_its_connection_does(served):
    first, second = control_socket.Connection(served.path), control_socket.Connection(served.path)
    numbers = first.call("who"), second.call("who")
    assert numbers[0] != numbers[1]
    first.close()
    assert served.closings.acquire(timeout=LONG_S)
    assert served.closed == [numbers[0]]
    assert second.call("who") == numbers[1]
    second.close()


def test_it_is_seen_when_the_other_side_is_gone(served):
    with control_socket.Connection(served.path) as connection:
        connection.call("who")
        assert not connection.ended()
        served.stop()
        assert connection.ended()


def test_nobody_there_says_what_to_do(tmp_path):
    with fails_with("lab-not-responding"):
        control_socket.call(tmp_path / "control.sock", "add", a=1, b=2)
