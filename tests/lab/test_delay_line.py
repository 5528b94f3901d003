"""The delay line, with real sockets on the loopback address; it needs no namespaces."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chaosdrill.lab.postgres import DelayLine
from tests import loops
from tests.waiting import LONG_S

SLACK_S = 0.15
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def line_to(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator:
    """A line to a server, and a client connected through it."""
    served = []

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        await serve(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    line = DelayLine(("127.0.0.1", 0), server.sockets[0].getsockname()[:2])
    await line.start()
    reader, writer = await asyncio.open_connection(*line.listen)
    yield line, (reader, writer)
    writer.close()
    await line.stop()
    await asyncio.gather(*served)
    server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)


async def answer_s(client: Client) -> float:
    """How long an echo takes, in seconds."""
    reader, writer = client
    began = time.monotonic()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    return time.monotonic() - began


def test_what_the_server_says_arrives_after_the_lag_which_can_be_changed() -> None:
    async def scenario() -> None:
        async with line_to(echo) as (line, client):
            for lag_s in (0.0, 0.3, 0.1):
                line.set_lag(lag_s)
                answers = [await answer_s(client) for _ in range(5)]  # this machine may stop for seconds
                assert lag_s <= min(answers) < lag_s + SLACK_S

    loops.run(scenario())


def test_what_the_client_says_is_not_delayed() -> None:
    async def scenario() -> None:
        heard = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1)
            heard.set()

        async with line_to(listen) as (line, (_, writer)):
            line.set_lag(600)
            writer.write(b"x")
            await asyncio.wait_for(heard.wait(), LONG_S)

    loops.run(scenario())


def test_a_shorter_lag_applies_to_what_is_being_kept() -> None:
    async def scenario() -> None:
        async with line_to(echo) as (line, client):
            line.set_lag(600)
            waiting = asyncio.create_task(answer_s(client))
            await asyncio.sleep(0.1)
            line.set_lag(0.1)
            await asyncio.wait_for(waiting, LONG_S)

    loops.run(scenario())


def test_nothing_passes_a_held_line_until_it_is_released() -> None:
    async def scenario() -> None:
        async with line_to(echo) as (line, client):
            line.hold()
            waiting = asyncio.create_task(answer_s(client))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            assert line.held
            line.release()
            assert await asyncio.wait_for(waiting, LONG_S) >= 0.3

    loops.run(scenario())


def test_much_data_arrives_whole_and_its_end_too() -> None:
    sent = os.urandom(40 * 1024 * 1024)  # more than a line keeps

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async def scenario() -> bytes:
        async with line_to(pour) as (line, (reader, _)):
            line.set_lag(0.05)
            return await asyncio.wait_for(reader.read(-1), LONG_S)

    assert hashlib.sha256(loops.run(scenario())).digest() == hashlib.sha256(sent).digest()


def test_a_client_of_an_absent_server_sees_its_connection_closed() -> None:
    async def scenario() -> bytes:
        line = DelayLine(("127.0.0.1", 0), ("127.0.0.1", 1))
        await line.start()
        reader, writer = await asyncio.open_connection(*line.listen)
        said = await asyncio.wait_for(reader.read(), LONG_S)
        writer.close()
        await line.stop()
        return said

    assert loops.run(scenario()) == b""


def test_a_negative_lag_is_refused() -> None:
    async def scenario() -> None:
        DelayLine(("127.0.0.1", 0), ("127.0.0.1", 1)).set_lag(-0.5)

    with pytest.raises(ValueError, match=r"-0\.5 s"):
        loops.run(scenario())
