"""HTTP/1.1 server for a WSGI application, on an inherited socket and on its own.

Fixes werkzeug 3.1: its handler closes every connection and waits 10 ms after each response, while AWS SDKs keep
connections alive and a drill polls frequently. It also reads bodies of any length, and keeps any number of idle
connections: here the number of unauthenticated ones is limited, and the oldest is closed for a new one.
"""

import io
import os
import re
import socket
import struct
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from chaosdrill.lab.aws.admission import ADMITTED, largest_body
from chaosdrill.lab.aws.interceptor import Reset
from chaosdrill.lab.connection_limit import Strangers

PART = 65_536  # bytes
MOST_STRANGERS = 128  # connections without a signed request yet
_LENGTH = re.compile(r"[0-9]{1,12}")
HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding"})


STRANGERS = Strangers(MOST_STRANGERS)


class BodyTooLarge(Exception):
    """The request's body is larger than the limit for its sender."""


class KeepAliveHandler(MotoRequestHandler):
    """Request handler that reads the whole request, sends the response with a known length in one write, and keeps the
    connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    environ: dict[str, Any]

    def setup(self) -> None:
        """Register the new connection."""
        super().setup()
        STRANGERS.add(self.connection)

    def finish(self) -> None:
        """Unregister the connection."""
        STRANGERS.remove(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        """Serve one request."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        self.environ = self.make_environ()
        try:
            body = self._body(largest_body(self.environ))
        except BodyTooLarge:
            self.close_connection = True
            self._send("413 Content Too Large", [], b"")
            return
        except OSError:  # its chunks are malformed, or the client has disconnected
            self.close_connection = True
            self._send("400 Bad Request", [], b"")
            return
        self.environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)
        started: list[Any] = []
        app: Any = self.server.app
        try:
            chunks = app(self.environ, lambda status, headers, _=None: started.extend((status, headers)))
        except Reset:
            self._reset()
            return
        if ADMITTED in self.environ:
            STRANGERS.remove(self.connection)
        self._send(started[0], started[1], b"".join(chunks))

    def _reset(self) -> None:
        """Close the connection with RST instead of an orderly end."""
        self.close_connection = True
        STRANGERS.remove(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _body(self, largest: int) -> bytes:
        stream = self.environ["wsgi.input"]  # decodes chunks, if there are any
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = bytearray()
            while len(body) <= largest and (part := stream.read(PART)):
                body += part
            if len(body) <= largest:
                return bytes(body)
        elif _LENGTH.fullmatch(length := self.headers.get("Content-Length") or "0") and int(length) <= largest:
            return bytes(stream.read(int(length)))
        raise BodyTooLarge

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, reason = status.split(" ", 1)
        self.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, *_: object) -> None:
        """Log nothing: a drill makes thousands of requests, and errors are logged where they occur."""


class Listeners:
    """The endpoint's listening sockets, each served by threads.

    :param app: the WSGI application.
    :param port: the port, the same on every listener.
    :param host_fd: a listening socket inherited from the host's network namespace.
    :param inside: also listen on every address of this process's own network namespace.
    """

    def __init__(self, app: Any, port: int, host_fd: int, inside: bool) -> None:
        self._servers = [_server("127.0.0.1", port, app, host_fd)]
        if inside:
            self._servers.append(_server("0.0.0.0", port, app, None))

    def start(self) -> None:
        """Start to serve."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name=f"aws-{server.host}", daemon=True).start()


def _server(host: str, port: int, app: Any, fd: int | None) -> BaseWSGIServer:
    return make_server(host, port, app, threaded=True, request_handler=KeepAliveHandler, fd=fd)
