"""The lab's control socket: JSON Lines over a UNIX socket, which can be reached from any network namespace.

Request ``{"op": name, ...arguments}``, response ``{"ok": true, "result": ...}`` or ``{"ok": false, "error": text}``. A
lease is an open connection: when it closes, its holder has ended for any reason.
"""

import asyncio
import inspect
import json
import os
import select
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaosdrill.errors import LabError

LINE_LIMIT = 16 * 1024 * 1024
Operation = Callable[..., Awaitable[Any]]


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Yield an alias of ``path`` that fits into a UNIX socket address (108 bytes), however long its directory is."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class Connection:
    """A client's connection to a control socket. Use as a context manager, or keep it open as a lease.

    :param path: the socket.
    :param answer_within_s: timeout of one request, in seconds.
    :raises LabError: when no lab responds at the socket.
    """

    def __init__(self, path: Path, answer_within_s: float = 30.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(answer_within_s)
        try:
            with short_path(path) as address:
                self.socket.connect(address)
        except OSError as error:
            self.socket.close()
            why = f"no lab responds at {path} ({error}): start one with `chaosdrill lab up`"
            raise LabError(why, code="lab-not-responding") from error
        self._lines = self.socket.makefile("rb")

    def call(self, op: str, **arguments: Any) -> Any:
        """Send one request and wait for its response.

        :returns: the operation's result.
        :raises LabError: when the operation fails, the lab ends, or it does not respond in time.
        """
        try:
            self.socket.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            line = self._lines.readline(LINE_LIMIT)
        except OSError as error:
            raise LabError(f"the lab did not respond to {op!r}: {error}", code="lab-not-responding") from error
        if not line:
            why = f"the lab ended during {op!r}: see its logs with `chaosdrill lab logs`"
            raise LabError(why, code="lab-not-responding")
        answer = json.loads(line)
        if not answer["ok"]:
            raise LabError(answer["error"], code="lab-request-failed")
        return answer["result"]

    @property
    def closed(self) -> bool:
        """Whether this side has closed it."""
        return self.socket.fileno() < 0

    def ended(self) -> bool:
        """Return whether the lab has closed the connection, as it does when it dies."""
        readable, _, _ = select.select([self.socket], [], [], 0)
        try:
            return bool(readable) and self.socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def wait_until_closed(self) -> None:
        """Wait until the lab closes the connection."""
        self.socket.settimeout(None)
        while self._lines.readline(LINE_LIMIT):
            pass

    def close(self) -> None:
        """Close the connection; its lease ends."""
        self._lines.close()
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(path: Path, op: str, answer_within_s: float = 30.0, **arguments: Any) -> Any:
    """Send one request on a separate connection. See :meth:`Connection.call`."""
    with Connection(path, answer_within_s) as connection:
        return connection.call(op, **arguments)


async def serve(
    path: Path,
    operations: Mapping[str, Operation],
    on_close: Callable[[int], None] = lambda connection: None,
) -> asyncio.Server:
    """Serve requests at ``path`` until the returned server is closed.

    :param operations: by name; an operation with a ``connection`` parameter receives the connection's number.
    :param on_close: receives the number of every connection that ends.
    """
    numbers = iter(range(1, 2**62))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(operations, line, number), default=str).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the client has disconnected; on_close reports it
        finally:
            on_close(number)
            writer.close()

    return await asyncio.start_unix_server(handle, sock=_bound(path), limit=LINE_LIMIT)


def _bound(path: Path) -> socket.socket:
    """Return a socket at ``path`` to which only this user can connect, regardless of the umask."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(bound.fileno(), 0o600)  # bind() applies it to the file, which so never has wider permissions
    with short_path(path) as address:
        bound.bind(address)
    return bound


async def _answer(operations: Mapping[str, Operation], line: bytes, number: int) -> dict[str, Any]:
    try:
        request = json.loads(line)
        operation = operations[request.pop("op")]
        if "connection" in inspect.signature(operation).parameters:
            request["connection"] = number
        return {"ok": True, "result": await operation(**request)}
    except LabError as error:
        return {"ok": False, "error": str(error)}
    except Exception as error:  # noqa: BLE001 - the boundary: every error is returned to the caller
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}
