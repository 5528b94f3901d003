"""A call's tries, its connecting and its reading end with the deadline of what it is made for."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.util import connection

from chaosdrill.aws import deadlines, polling, read_coalescing
from chaosdrill.aws.ambiguous_result import change
from chaosdrill.aws.deadlines import CutShort, by, within
from chaosdrill.aws.read_coalescing import paced
from chaosdrill.aws.retries import retry_always
from chaosdrill.errors import CannotSee
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

LEAST_S = 0.4
READ_S = 1.5
NEVER_S = 200.0  # a try that is not cut lasts so long
SOON_S = 100.0  # a busy machine holds a thread up


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LEAST_S", LEAST_S)
    monkeypatch.setattr(read_coalescing, "_resources", {})


class Mute:
    """Accepts connections and never answers; counts the requests that came."""

    def __init__(self) -> None:
        self.requests = 0
        self.tls: ssl.SSLContext | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with ExitStack() as connections:
            while True:
                try:
                    one = connections.enter_context(self._socket.accept()[0])
                except OSError:
                    return
                if self.tls:
                    with suppress(OSError):  # the client has given up
                        connections.enter_context(self.tls.wrap_socket(one, server_side=True))
                        self.requests += 1
                else:
                    self.requests += 1

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # closing alone does not end an accept in another thread
        self._socket.close()
        self._thread.join(LONG_S)


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


@pytest.fixture
def client() -> Iterator[Callable[..., Any]]:
    """Makes clients, and closes them: a connection that is left is blamed on whichever test runs when it is collected.

    ``client(url, tries, read_s=...)``: how long a try to connect or to read lasts unless the deadline cuts it.
    """
    with ExitStack() as clients:

        def make(url: str, tries: int = 6, read_s: float = NEVER_S, **more: Any) -> Any:
            session: Any = boto3.Session("key", "secret")
            retries = {"mode": "standard", "total_max_attempts": tries}
            config = Config(connect_timeout=read_s, read_timeout=read_s, retries=retries, proxies={})
            made = session.client("sts", "ap-northeast-1", endpoint_url=url, config=config, **more)
            clients.callback(made.close)
            retry_always(made)
            deadlines.install_deadline(made)
            return made

        yield make


def took_s(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def cut(made: Any) -> None:
    with fails_with("call-timed-out"):
        made.get_caller_identity()


def test_a_try_that_hangs_is_cut_and_none_follows(mute: Mute, client: Any) -> None:
    made = client(mute.url)
    with within(0.75):
        assert 0.75 - 0.1 < took_s(lambda: cut(made)) < SOON_S
    assert wait_for(lambda: mute.requests) == 1


def test_tries_follow_while_there_is_time(mute: Mute, client: Any) -> None:
    made = client(mute.url, read_s=READ_S)
    with within(READ_S * 2):
        assert READ_S * 2 - 0.1 < took_s(lambda: cut(made)) < SOON_S
    assert wait_for(lambda: mute.requests, lambda seen: seen >= 2) == 2


def test_a_call_that_begins_when_the_time_is_up_still_has_a_little(mute: Mute, client: Any) -> None:
    made = client(mute.url)
    with within(0.0):
        assert LEAST_S - 0.1 < took_s(lambda: cut(made)) < SOON_S


def test_without_a_deadline_and_in_another_thread_a_try_has_its_usual_time(mute: Mute, client: Any) -> None:
    made = client(mute.url, tries=1, read_s=READ_S)

    def usual() -> None:
        with pytest.raises(ReadTimeoutError):
            made.get_caller_identity()

    with within(0.0):
        cut(made)
    assert took_s(usual) > READ_S - 0.1
    with within(0.0), ThreadPoolExecutor(1) as pool:
        assert took_s(pool.submit(usual).result) > READ_S - 0.1


def test_the_inner_deadline_only_shortens_and_a_new_wait_has_its_own() -> None:
    with within(10):
        with by(time.monotonic() + 100):
            assert deadlines.ends_s() - time.monotonic() < 10.1
        with by(time.monotonic() - 1):
            assert deadlines.over()
        with within(100):
            assert deadlines.ends_s() - time.monotonic() > 99
        assert not deadlines.over()


@pytest.fixture
def deaf() -> Iterator[list[tuple[str, int]]]:
    """Four addresses at which connecting hangs: their queues are full."""
    with ExitStack() as held:
        port, found = 0, []
        for number in range(2, 6):
            server = held.enter_context(socket.socket())
            server.bind((f"127.0.0.{number}", port))
            server.listen(0)
            port = server.getsockname()[1]
            for _ in range(2):
                one = held.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex((f"127.0.0.{number}", port))
            found.append((f"127.0.0.{number}", port))
        yield found


Tried = list[tuple[str, float]]


@pytest.fixture
def named(deaf: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Tried]:
    """The URL of a name that has the four addresses, and what is tried to connect to, each with its timeout."""
    real, of_name = socket.getaddrinfo, [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in deaf]
    connect, tried = connection.create_connection, Tried()

    def resolved(host: str, *more: Any, **named: Any) -> Any:
        return of_name if host == "sts.deaf.example" else real(host, *more, **named)

    def connected(address: tuple[str, int], timeout_s: Any, *more: Any, **named: Any) -> Any:
        tried.append((address[0], timeout_s))
        return connect(address, timeout_s, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(connection, "create_connection", connected)
    return f"http://sts.deaf.example:{deaf[0][1]}", tried


def together_s(tried: Tried) -> float:
    return sum(timeout_s for _, timeout_s in tried) - len(tried) * 0.1  # a timeout cannot be 0


def test_the_addresses_of_a_name_share_the_time_to_connect(
    named: tuple[str, Tried], deaf: list[tuple[str, int]], client: Any
) -> None:
    url, tried = named
    with within(2.0), fails_with("call-timed-out") as told:
        client(url).get_caller_identity()
    assert {host for host, _ in tried} <= {host for host, _ in deaf}, "the name itself would be four addresses at once"
    assert together_s(tried) <= 2.0
    assert isinstance(told.value.__cause__, ConnectTimeoutError)


def test_without_a_deadline_they_share_the_total_of_an_attempt(named: tuple[str, Tried], client: Any) -> None:
    url, tried = named
    made = client(url, tries=1, read_s=0.5)
    with pytest.raises(ConnectTimeoutError):
        made.get_caller_identity()
    assert tried
    assert together_s(tried) <= deadlines.attempt_s(made)


@pytest.fixture
def secure(mute: Mute, client: Any, tmp_path: Path) -> Any:
    """A client of the mute server over TLS, which trusts its certificate; that is for its name, not for its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    whole = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    whole += made.sign(key, hashes.SHA256()).public_bytes(pem)
    (tmp_path / "both.pem").write_bytes(whole)
    mute.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mute.tls.load_cert_chain(tmp_path / "both.pem")
    return client(mute.url.replace("http://127.0.0.1", "https://localhost"), verify=str(tmp_path / "both.pem"))


def test_a_connection_over_tls_is_cut_likewise(mute: Mute, secure: Any) -> None:
    with within(3.0):
        assert 3.0 - 0.1 < took_s(lambda: cut(secure)) < SOON_S
    assert wait_for(lambda: mute.requests) == 1, "its handshake was done"


def test_a_change_that_was_cut_may_still_come(mute: Mute, client: Any) -> None:
    made = client(mute.url)
    with within(0.1), fails_with("change-pending"):
        change("the flag", made.get_caller_identity, lambda: False)


def test_a_wait_ends_though_its_look_is_never_answered(mute: Mute, client: Any) -> None:
    made = client(mute.url)

    def wait() -> None:
        with fails_with("call-timed-out"):
            list(polling.poll(made.get_caller_identity, 0.5))

    assert took_s(wait) < SOON_S


def test_a_look_whose_next_try_would_come_too_late_is_nobody_elses(mute: Mute) -> None:
    def look() -> None:
        deadlines._begin()
        assert deadlines.retry_after(8.0) is False
        raise CannotSee("throttled")

    asked_s = time.monotonic()
    with within(5.0):
        assert isinstance(paced("a table", look).error, CannotSee)
    assert paced("a table", lambda: "seen", since_s=asked_s).value == "seen", "who has waited for it looks again"


def test_one_of_several_that_hangs_leaves_time_for_the_next(mute: Mute) -> None:
    with within(0), deadlines.one_of_several():
        assert deadlines.ends_s() - time.monotonic() <= deadlines.LEAST_S


def test_a_look_that_is_cut_for_one_is_taken_again_for_another(mute: Mute, client: Any) -> None:
    """Whoever shares a look of somebody in a hurry has the time that is its own."""
    made, begun = client(mute.url), threading.Event()

    def hasty() -> Any:
        with within(0.1):
            begun.set()
            return paced("table", made.get_caller_identity).error

    def patient() -> Any:
        assert begun.wait(LONG_S)
        return paced("table", lambda: "well", since_s=0.0).value

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(hasty), pool.submit(patient)
        assert isinstance(first.result(), CutShort)
        assert second.result() == "well"


def test_who_shares_a_look_leaves_it_when_the_own_time_is_up() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def patient() -> None:
        begun.set()
        assert go_on.wait(LONG_S)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(paced, "table", patient)
        assert begun.wait(LONG_S)
        with within(0.1), fails_with("shared-read-late"):
            paced("table", patient)
        go_on.set()
