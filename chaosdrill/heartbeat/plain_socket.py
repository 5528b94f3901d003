"""A TCP connection for one exchange; asyncio's own transports use twice as much CPU time.

It calls the same methods of an ``asyncio.Protocol`` as they do.
"""

import asyncio
import errno
import os
import socket

MOST_AT_ONCE = 65_536


class PlainSocket(asyncio.Transport):
    """A connection to ``address``, begun at once; the protocol is notified when it is made, or lost."""

    def __init__(self, protocol: asyncio.Protocol, address: str, port: int) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._unsent = b""
        self._closed = False
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._descriptor = self._socket.fileno()
        try:
            self._socket.setblocking(False)
            code = self._socket.connect_ex((address, port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            self._loop.add_writer(self._descriptor, self._connected)
        except OSError:
            self._socket.close()
            raise

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, now or as soon as the other side accepts it."""
        if self._closed:
            return
        try:
            sent = 0 if self._unsent else self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        if self._unsent or sent < len(data):
            self._unsent += bytes(data[sent:])
            self._loop.add_writer(self._descriptor, self._send_rest)

    def abort(self) -> None:
        """Close it at once, also with data in transit."""
        self._lose(None)

    def close(self) -> None:
        """Close it."""
        self._lose(None)

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self._closed

    def _connected(self) -> None:
        self._loop.remove_writer(self._descriptor)
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(OSError(code, os.strerror(code)))
            return
        self._loop.add_reader(self._descriptor, self._readable)
        self._protocol.connection_made(self)

    def _send_rest(self) -> None:
        self._loop.remove_writer(self._descriptor)
        data, self._unsent = self._unsent, b""
        self.write(data)

    def _readable(self) -> None:
        try:
            while data := self._socket.recv(
                MOST_AT_ONCE
            ):  # usually the end has arrived, too: another read saves a turn of the event loop
                self._protocol.data_received(data)
                if self._closed:
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        self._protocol.eof_received()
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._socket.close()
        self._protocol.connection_lost(error)
