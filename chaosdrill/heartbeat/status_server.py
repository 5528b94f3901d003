"""The heartbeat's page: HTTP on 127.0.0.1, JSON, one request a connection, guarded by :mod:`chaosdrill.page_guard`."""

import asyncio
import json
import logging
import socket
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from chaosdrill.page_guard import PAGE_HEADERS, PageGuard, PageRequest

PAGE_HEADER_LINES = "".join(f"{name}: {value}\r\n" for name, value in PAGE_HEADERS)
MOST_HEAD, MOST_BODY = 16_384, 65_536
PATIENCE_S = 10.0
Query = Mapping[str, str]
Handler = Callable[[Query], Awaitable[Any]]  # returns JSON values, or bytes of text
log = logging.getLogger("chaosdrill.heartbeat")


class NotNow(Exception):
    """A request that cannot be carried out; carries the HTTP status."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        super().__init__(why)


class StatusPage:
    """A server of ``routes``.

    :param routes: by method and path.
    :param guard: decides who may make a request.
    :param inherited: a listening socket's descriptor; None: a port of its own.
    """

    def __init__(
        self, routes: Mapping[tuple[str, str], Handler], guard: PageGuard, inherited: int | None = None
    ) -> None:
        self._routes, self._guard = routes, guard
        if inherited is None:
            self._socket = socket.create_server(("127.0.0.1", 0))
        else:
            self._socket = socket.socket(fileno=inherited)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Start serving."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=MOST_HEAD)

    @property
    def url(self) -> str:
        """The page's address."""
        return "http://{}:{}".format(*self._socket.getsockname()[:2])

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
                await reader.readexactly(_length(head))  # closing with an unread body would also discard the response
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            writer.close()
            return
        status, content = await self._answer(method, target, _headers(head))
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        kind = "text/plain; charset=utf-8" if isinstance(content, bytes) else "application/json"
        writer.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
            f"{PAGE_HEADER_LINES}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode()
            + text
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await writer.drain()
        except OSError:
            pass  # the client is gone
        writer.close()

    async def _answer(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, Any]:
        parts = urllib.parse.urlsplit(target)
        if refusal := self._guard.refusal(PageRequest(method, parts.path, headers)):
            return HTTPStatus.FORBIDDEN, {"error": refusal}
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        handler = self._routes.get((method, parts.path))
        if handler is None:
            known = ", ".join(f"{method} {path}" for method, path in self._routes)
            return HTTPStatus.NOT_FOUND, {"error": f"there is no {method} {parts.path}: there are {known}"}
        try:
            return HTTPStatus.OK, await handler(query)
        except NotNow as error:
            return error.status, {"error": str(error)}


def whole_number(query: Query, name: str, default: int, most: int) -> int:
    """Return a whole number of the query, from 0 to ``most``.

    :raises NotNow: when it is none.
    """
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise NotNow(HTTPStatus.BAD_REQUEST, f"{name} is {text!r}: write a whole number from 0 on")
    return min(int(text), most)


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _length(head: bytes) -> int:
    length = int(_headers(head).get("content-length", "0"))
    if not 0 <= length <= MOST_BODY:
        raise ValueError(length)
    return length
