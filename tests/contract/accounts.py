"""AWS config files whose profiles lead to the lab, apart from services that answer with an error."""

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.contract.lab_aws import KEYS
from tests.waiting import LONG_S

_numbers = itertools.count()

DENIED_JSON = (400, '{"__type": "AccessDeniedException", "message": "not authorized"}')
DENIED_XML = (
    403,
    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>",
)
EXPIRED_XML = (
    403,
    "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>it has expired</Message></Error></ErrorResponse>",
)


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A server that answers everything the same way.

    :returns: its URL.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(LONG_S)


def profile(path: Path, url: str, others: Mapping[str, str] | None = None) -> str:
    """Write an AWS config file with one profile of a name never used before: sessions are kept by name.

    :param url: where all services answer, but ``others``: URL by service, as AWS config files name it.
    :returns: its name.
    """
    name = f"test-{next(_numbers)}"
    lines = [f"[profile {name}]", "region = ap-northeast-1", f"endpoint_url = {url}", f"services = {name}"]
    lines += [*(f"{key} = {value}" for key, value in KEYS.items()), f"[services {name}]"]
    for service, other in (others or {}).items():
        lines += [f"{service} =", f"  endpoint_url = {other}"]
    path.write_text("\n".join(lines) + "\n")
    return name
