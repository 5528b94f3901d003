"""A receiver of webhooks."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.waiting import LONG_S


class _Handler(http.server.BaseHTTPRequestHandler):
    """Keeps what was posted, and responds with the status that it is told."""

    server: "WebhookReceiver"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("location", "http://127.0.0.1:9/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class WebhookReceiver(http.server.ThreadingHTTPServer):
    """Listens on a free port of this machine; its path looks like a secret.

    :ivar received: headers and body of each request.
    :ivar status: of its responses.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/secretpart"


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """Receive webhooks for the length of the block."""
    with WebhookReceiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join(LONG_S)
