"""Secrets that are planted at every entry of a drill, and the search for them in every byte that was written."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CANARY = "canary"  # in every planted text
SCRIPT = """
from locust import HttpUser, constant, task

class Caller(HttpUser):
    wait_time = constant(0.05)

    @task
    def call(self):
        self.client.get("/pay?access_token=canary-in-a-url&n=1", timeout=5)
        self.client.get("/refused?n=1&sig=canary%2Bsigned", timeout=5)
        self.client.get("http://driller:canary-user@127.0.0.1:1/closed?api_key=canary-refused", timeout=5)
        with self.client.get("/blamed?code=canary-long-enough-for-a-key", timeout=5, catch_response=True) as answer:
            answer.failure("Authorization: Bearer canary-blamed")
"""


class _Echo(BaseHTTPRequestHandler):
    """Responds with everything that it was sent."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(503 if "refused" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[str]:
    """:returns: the address of a server that responds with the path and the headers of each request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def found_in(*places: Path, but: frozenset[str] = frozenset()) -> set[str]:
    """Search files, and the files in them, for canaries.

    :param places: files and directories.
    :param but: names of files that are the test's own.
    :returns: where there is one, with what stands around it.
    """
    files = [path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*")))]
    found: set[str] = set()
    for path in files:
        if path.is_file() and not path.is_symlink() and path.name not in but:
            found |= {f"{path}{inside}: {text}" for inside, text in _within(path.name, path.read_bytes())}
    return found


def _within(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    at = data.lower().find(CANARY.encode())
    if at >= 0:
        yield "", repr(data[max(0, at - 60) : at + 40])
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                for inside, text in _within(member, archive.read(member)):
                    yield f"!{member}{inside}", text
    if name.endswith(".parquet"):
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(io.BytesIO(data))
        for inside, text in _within("", repr([table.schema.metadata, table.to_pydict()]).encode()):
            yield f"!{inside}", text
