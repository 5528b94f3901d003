"""The reference load script against a server that answers as the reference application does."""

import http.server
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chaosdrill.client.load_generator import LoadGenerator
from tests.contract import load_rig
from tests.waiting import wait_for

Call = tuple[str, str, str | None, int | None]  # account, path, Connection header, quantity


class Bank(http.server.ThreadingHTTPServer):
    """Settles a transaction the first time it is asked for; ``answer`` changes what it says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Counter)
        self.calls: list[Call] = []
        self.status: dict[str, Any] = {"status": "status#success"}
        self.closed = False

    def of_account(self, account: str) -> list[Call]:
        return [call for call in self.calls if call[0] == account]


class _Counter(http.server.BaseHTTPRequestHandler):
    server: Bank
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._note(body["quantity"])
        if self.server.closed:
            self._answer(503, b"closed")
        else:
            self._answer(200, json.dumps({"transactionId": str(uuid.uuid4())}).encode())

    def do_GET(self) -> None:
        self._note(None)
        self._answer(200, json.dumps(self.server.status).encode())

    def _note(self, quantity: int | None) -> None:
        account = self.headers["X_ACCOUNT_ID"]
        path = self.path if quantity else self.path.rpartition("/")[0]
        self.server.calls.append((account, path, self.headers["Connection"], quantity))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def bank() -> Iterator[Bank]:
    server = Bank()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadGenerator]:
    with load_rig.locust(tmp_path_factory.mktemp("reference"), load_rig.REFERENCE) as running:
        yield running


@contextmanager
def loaded(generator: LoadGenerator, server: Bank, users: int) -> Iterator[float]:
    """The load runs for the length of the block; gives when it began, load generator's clock."""
    since_s = load_rig.bucket_of_its_own(generator)
    generator.swarm(users, 100, f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield since_s
    finally:
        generator.stop()
        wait_for(generator.state, lambda load: load.state == "stopped", "the load to stop")


def test_a_round_is_one_deposit_and_three_withdrawals_each_seen_settled(generator: LoadGenerator) -> None:
    with bank() as server, loaded(generator, server, 3):
        wait_for(lambda: len(server.calls), lambda count: count >= 40, "a round of each user")
    accounts = {call[0] for call in server.calls}
    assert len(accounts) == 3
    for account in accounts:
        first = server.of_account(account)[:9]
        deposit, withdraw, look = "/transaction/deposit", "/transaction/withdraw", "/transaction"
        assert [call[1] for call in first] == [deposit, look, *([withdraw, look] * 3), deposit]
        assert [call[3] for call in first] == [1000, None, 50, None, 50, None, 50, None, 1000]
        assert [call[2] == "close" for call in first] == [True, *([False] * 7), True]


def test_a_refusal_ends_the_round_as_one_failure_and_nothing_raises(generator: LoadGenerator) -> None:
    with bank() as server:
        server.closed = True
        with loaded(generator, server, 2) as since_s:
            wait_for(lambda: len(server.calls), lambda count: count >= 6, "refusals")
        seen = generator.window(since_s, generator.closed_window(0.3).until_s)
    assert {call[1] for call in server.calls} == {"/transaction/deposit"}
    assert (seen.requests, seen.failures, seen.exceptions) == (len(server.calls), len(server.calls), 0)


def test_a_transaction_that_was_rolled_back_is_a_failure(generator: LoadGenerator) -> None:
    with bank() as server:
        server.status = {"status": "status#success_rollback"}
        with loaded(generator, server, 1) as since_s:
            wait_for(lambda: len(server.calls), lambda count: count >= 4, "two rounds")
        seen = generator.window(since_s, generator.closed_window(0.3).until_s)
    assert {call[1] for call in server.calls} == {"/transaction/deposit", "/transaction"}
    assert seen.failures >= 1
    assert seen.requests == len(server.calls) + seen.failures
    assert seen.exceptions == 0
