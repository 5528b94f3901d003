"""A TCP relay that delays the data from the server: an adjustable replication lag.

It is between a follower (a subscriber or standby, which connects) and the server that it follows. Data from the
follower passes at once; data to the follower arrives ``lag_s`` later, or when the line is released.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

CHUNK_BYTES = 64 * 1024
CHUNKS_KEPT = 256  # 16 MiB per connection; beyond that the sender waits, as with TCP's flow control

Chunk = tuple[float, bytes]


class DelayLine:
    """A relay from ``listen`` to ``target``, both (address, port).

    :param lag_s: delay of the data from the target, in seconds, 0 or more; a change also applies to data that is
        already delayed.
    """

    def __init__(self, listen: tuple[str, int], target: tuple[str, int], lag_s: float = 0.0) -> None:
        self.listen = listen
        self.target = target
        self._lag_s = lag_s
        self._held = False
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def lag_s(self) -> float:
        """Delay of the data from the target, in seconds."""
        return self._lag_s

    @property
    def held(self) -> bool:
        """Whether all data is held until :meth:`release`."""
        return self._held

    def set_lag(self, seconds: float) -> None:
        """Set the delay of the data from the target, in seconds.

        :raises ValueError: when negative.
        """
        if seconds < 0:
            raise ValueError(f"a lag of {seconds:g} s is not possible: give 0 or more")
        self._lag_s = seconds
        self._announce_change()

    def hold(self) -> None:
        """Hold all data until :meth:`release`."""
        self._held = True
        self._announce_change()

    def release(self) -> None:
        """Pass on data that is older than the delay again."""
        self._held = False
        self._announce_change()

    async def start(self) -> None:
        """Listen; with port 0, ``listen`` is updated with the actual port."""
        self._server = await asyncio.start_server(self._accept, *self.listen)
        self.listen = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close the line and its connections; delayed data is lost."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:  # like the target itself: close the follower's connection
            writer.close()
            return
        kept: asyncio.Queue[Chunk] = asyncio.Queue(CHUNKS_KEPT)
        try:
            await _first_end(_pass(reader, server_writer), _keep(server_reader, kept), self._pass_later(kept, writer))
        finally:
            writer.close()
            server_writer.close()

    async def _pass_later(self, kept: "asyncio.Queue[Chunk]", writer: asyncio.StreamWriter) -> None:
        while True:
            arrived, data = await kept.get()
            await self._due(arrived)
            if not data:
                return
            writer.write(data)
            await writer.drain()

    async def _due(self, arrived: float) -> None:
        while self._held or time.monotonic() < arrived + self._lag_s:
            rest_s = None if self._held else arrived + self._lag_s - time.monotonic()
            with suppress(TimeoutError):  # the line was not changed; the loop's condition checks what is due
                await asyncio.wait_for(self._changed.wait(), rest_s)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


async def _keep(reader: asyncio.StreamReader, kept: "asyncio.Queue[Chunk]") -> None:
    """Queue the arriving data; an empty chunk, delayed like all others, marks the end."""
    with suppress(ConnectionError):  # a reset ends the stream like a close
        while data := await reader.read(CHUNK_BYTES):
            await kept.put((time.monotonic(), data))
    await kept.put((time.monotonic(), b""))
    await asyncio.Event().wait()  # the task that sends the data ends the connection


async def _first_end(*pumps: Coroutine[Any, Any, None]) -> None:
    """Run the pumps until one ends; a connection broken by either side counts as such an end."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                raise result
