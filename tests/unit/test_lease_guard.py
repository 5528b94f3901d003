"""No attempt of a changing call is sent when less of the lease remains than it may take."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, HTTPClientError

from chaosdrill import activity
from chaosdrill.aws import deadlines, lease_guard
from chaosdrill.aws.ambiguous_result import change
from chaosdrill.aws.changes import record_changes
from chaosdrill.aws.lease_guard import READING_COMMANDS, guard_lease, guarded_by, reading, undoing
from chaosdrill.aws.retries import retry_always
from chaosdrill.errors import AccountChanged, ChangeNotSent, LeaseEnded, family_of
from chaosdrill.history import History, OpenDrill, opened
from chaosdrill.history.owed_undos import owed_undos
from tests.failing import fails_with
from tests.waiting import LONG_S

CONNECT_S, READ_S, MARGIN_S = 30.0, 100.0, 2.0
NEEDED_S = CONNECT_S + READ_S + MARGIN_S


@dataclass
class Lease:
    """What the guard knows of a lease."""

    left_s: float = 1000.0
    taken_by: str = ""
    run: str = "this-run"
    renewals: list[tuple[float, float]] = field(default_factory=list)
    reads: int = 0
    renew: Callable[[], None] = lambda: None

    def remaining_s(self) -> float:
        return self.left_s

    def wait_for_renewal(self, needed_s: float, within_s: float) -> bool:
        self.renewals.append((needed_s, within_s))
        self.renew()
        return self.left_s >= needed_s

    def refuses_undo(self) -> str:
        self.reads += 1
        return self.taken_by


class Service(http.server.ThreadingHTTPServer):
    """Responds as its script says, then with 200; counts what came, by operation."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.came: list[str] = []
        self.script: list[Callable[[], int]] = []

    def handle_error(self, *_: object) -> None:
        """A connection that was given up is reset."""


class Request(http.server.BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append(self.headers["X-Amz-Target"].rpartition(".")[2])
        status = self.server.script.pop(0)() if self.server.script else 200
        said = b'{"Command": {"CommandId": "1"}}' if b"InstanceIds" in body else b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``client(url, service="events")``: one that is guarded as those of a drill are; its retries follow at once."""
    monkeypatch.setattr(deadlines, "retry_after", lambda pause_s: 0.0)
    with ExitStack() as clients:

        def make(url: str, service: str = "events", connect_s: float = CONNECT_S, tries: int = 3) -> Any:
            session: Any = boto3.Session("key", "secret")
            retries = {"mode": "standard", "total_max_attempts": tries}
            config = Config(connect_timeout=connect_s, read_timeout=READ_S, retries=retries, proxies={})
            made = session.client(service, "ap-northeast-1", endpoint_url=url, config=config)
            clients.callback(made.close)
            record_changes(made, "ap-northeast-1")
            retry_always(made)
            guard_lease(made, MARGIN_S)
            deadlines.install_deadline(made)
            return made

        yield make


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[OpenDrill]:
    log = History(tmp_path / "history.jsonl")
    with opened(OpenDrill("this-run", tmp_path, log)) as one:
        yield one
    log.close()


def test_a_change_needs_a_whole_attempt_and_a_margin(service: Service, client: Any) -> None:
    made, lease = client(service.url), Lease(NEEDED_S)
    with guarded_by(lease):
        made.enable_rule(Name="rule")
        lease.left_s = NEEDED_S - 0.1
        with fails_with("lease-ended"):
            made.enable_rule(Name="rule")
    assert service.came == ["EnableRule"]
    assert lease.renewals == [(NEEDED_S, lease_guard.RENEWAL_WITHIN_S)]


def test_a_retry_is_refused_when_the_lease_ran_out_between_the_attempts(
    service: Service, client: Any, drill: OpenDrill
) -> None:
    made, lease = client(service.url), Lease()

    def fail() -> int:
        lease.left_s = NEEDED_S - 0.1
        return 500

    service.script = [fail]
    with guarded_by(lease), pytest.raises(LeaseEnded) as ended:
        made.enable_rule(Name="rule")
    assert service.came == ["EnableRule"]
    assert (ended.value.attempts_sent, family_of(ended.value)) == (1, "LeaseEnded")
    assert "sent" not in drill.history.events("aws-call")[-1], "one attempt was"


def test_a_refused_call_is_recorded_as_not_sent(service: Service, client: Any, drill: OpenDrill) -> None:
    with guarded_by(Lease(1.0)), fails_with("lease-ended"):
        client(service.url).enable_rule(Name="rule")
    [call] = drill.history.events("aws-call")
    assert (call["operation"], call["sent"], call["request_id"]) == ("EnableRule", False, None)


def test_reads_need_no_lease(service: Service, client: Any) -> None:
    with guarded_by(Lease(-100.0)) as _:
        client(service.url).describe_rule(Name="rule")
    assert service.came == ["DescribeRule"]


def test_without_a_lease_nothing_is_guarded(service: Service, client: Any) -> None:
    client(service.url).enable_rule(Name="rule")
    assert service.came == ["EnableRule"]


def test_a_process_that_was_stopped_waits_for_its_next_renewal(service: Service, client: Any) -> None:
    lease = Lease(-20.0)
    lease.renew = lambda: setattr(lease, "left_s", NEEDED_S)
    with guarded_by(lease):
        client(service.url).enable_rule(Name="rule")
    assert service.came == ["EnableRule"]


def test_a_process_that_is_stopped_after_the_check_sends_nothing(
    service: Service, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boot clock jumps between the check of the lease and the first byte: the next attempt checks again."""
    made, lease, jump_s = client(service.url), Lease(), 0.0
    real = deadlines.boot_s
    monkeypatch.setattr(deadlines, "boot_s", lambda: real() + jump_s)

    def stopped(**_: Any) -> None:
        nonlocal jump_s
        jump_s, lease.left_s = 500.0, -300.0

    made.meta.events.register_last("before-send.eventbridge", stopped)
    with guarded_by(lease), pytest.raises(LeaseEnded) as ended:
        made.enable_rule(Name="rule")
    assert (service.came, ended.value.attempts_sent) == ([], 1), "an attempt was begun"


def test_an_attempt_whose_connection_stood_too_late_sends_nothing(
    service: Service, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolving a name, for one, has no timeout."""
    made, jump_s = client(service.url, tries=1), 0.0
    real, resolve = deadlines.boot_s, socket.getaddrinfo
    monkeypatch.setattr(deadlines, "boot_s", lambda: real() + jump_s)

    def slowly(*arguments: Any, **named: Any) -> Any:
        nonlocal jump_s
        jump_s += CONNECT_S + READ_S
        return resolve(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    with guarded_by(Lease()), pytest.raises(ConnectTimeoutError):
        made.enable_rule(Name="rule")
    assert service.came == []


class TestUndo:
    def test_it_may_be_sent_after_the_lease_has_expired(self, service: Service, client: Any) -> None:
        lease = Lease(-100.0)
        with guarded_by(lease), undoing():
            client(service.url).enable_rule(Name="rule")
        assert (service.came, lease.reads, lease.renewals) == (["EnableRule"], 1, [])

    def test_it_is_refused_when_another_run_has_taken_the_system_over(self, service: Service, client: Any) -> None:
        with guarded_by(Lease(-100.0, taken_by="rescue-1 holds it")), undoing(), fails_with("lease-ended") as ended:
            client(service.url).enable_rule(Name="rule")
        assert service.came == []
        assert "rescue-1" in str(ended.value)

    def test_the_lease_is_read_again_before_each_attempt(self, service: Service, client: Any) -> None:
        lease = Lease(-100.0)

        def fail() -> int:
            lease.taken_by = "rescue-1 holds it"
            return 500

        service.script = [fail]
        with guarded_by(lease), undoing(), fails_with("lease-ended"):
            client(service.url).enable_rule(Name="rule")
        assert service.came == ["EnableRule"]

    @pytest.mark.parametrize("phase", ["rollbacks", "closing"])
    def test_what_rollbacks_do_is_an_undo(self, service: Service, client: Any, drill: OpenDrill, phase: str) -> None:
        drill.history.append("phase", phase="method")
        made = client(service.url)

        @activity.action
        def enable() -> None:
            made.enable_rule(Name="rule")

        with guarded_by(Lease(-100.0)):
            with fails_with("lease-ended"):
                enable()
            drill.history.append("phase", phase=phase)
            enable()
        assert service.came == ["EnableRule"]

    def test_a_step_that_undoes_another_is_one_in_the_method_too(
        self, service: Service, client: Any, drill: OpenDrill
    ) -> None:
        drill.history.append("activity-started", activity="disable")
        made = client(service.url)

        @activity.action
        def enable(undo_of: str | None = None) -> None:
            made.enable_rule(Name="rule")

        with guarded_by(Lease(-100.0)):
            enable(undo_of="disable")
        assert service.came == ["EnableRule"]

    def test_a_step_that_began_before_the_rollbacks_is_none(
        self, service: Service, client: Any, drill: OpenDrill
    ) -> None:
        """One in the background may go on beside them."""
        begun, go_on = threading.Event(), threading.Event()
        made = client(service.url)

        @activity.action
        def enable() -> None:
            begun.set()
            assert go_on.wait(LONG_S)
            made.enable_rule(Name="rule")

        with guarded_by(Lease(-100.0)), ThreadPoolExecutor(1) as pool:
            step = pool.submit(enable)
            assert begun.wait(LONG_S)
            drill.history.append("phase", phase="rollbacks")
            go_on.set()
            with fails_with("lease-ended"):
                step.result()
        assert service.came == []


def test_only_commands_of_the_closed_list_need_no_lease(service: Service, client: Any) -> None:
    made = client(service.url, "ssm")
    command = {"InstanceIds": ["i-1"], "DocumentName": "AWS-RunShellScript"}
    with guarded_by(Lease(-100.0)):
        for name in sorted(READING_COMMANDS):
            with reading(name):
                made.send_command(**command)
        with fails_with("lease-ended"), reading(""):
            made.send_command(**command)
        with reading("list-tools"), fails_with("lease-ended"):
            made.cancel_command(CommandId="1" * 36)
    assert service.came == ["SendCommand"] * len(READING_COMMANDS)
    with pytest.raises(ValueError, match="remove-everything"), reading("remove-everything"):
        pass


@pytest.mark.parametrize("kind", [LeaseEnded, AccountChanged])
class TestChange:
    """What comes of a change of which a guard let an attempt not be sent."""

    @staticmethod
    def unsent(kind: type[ChangeNotSent]) -> None:
        raise kind("not sent", attempts_sent=1)

    def test_it_stays_what_it_is_when_the_change_is_not_there(self, kind: type[ChangeNotSent]) -> None:
        with fails_with(kind.default_code):
            change("the rule", lambda: self.unsent(kind), lambda: False)

    def test_an_earlier_attempt_that_was_carried_out_is_the_change(self, kind: type[ChangeNotSent]) -> None:
        change("the rule", lambda: self.unsent(kind), lambda: True)

    def test_its_step_still_owes_its_undo(self, kind: type[ChangeNotSent]) -> None:
        step = {"activity": "fault", "module": "chaosdrill.packet_loss.actions", "func": "inject_packet_loss"}
        began = {"event": "activity-started", **step, "at": "2026-11-30T00:00:00Z", "arguments": {}}
        end = {"event": "activity-ended", **step, "status": "failed", "error_kind": family_of(kind("x"))}
        assert [one.step for one in owed_undos([began, end])] == ["fault"]


def test_one_lease_at_a_time() -> None:
    with guarded_by(Lease()), pytest.raises(RuntimeError, match="this-run"), guarded_by(Lease()):
        pass
    with guarded_by(Lease()):
        pass


def test_a_request_that_was_given_up_is_not_delivered_later(client: Any) -> None:
    """Its bytes lie in the kernel, which would go on delivering them after the connection was closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made = client(f"http://127.0.0.1:{server.getsockname()[1]}", connect_s=0.5, tries=1)
        with pytest.raises((HTTPClientError, ConnectionClosedError)):
            made.put_events(Entries=[{"Detail": "x" * 30_000_000, "DetailType": "y", "Source": "z"}])
        with server.accept()[0] as taken, pytest.raises(ConnectionResetError):
            read_to_the_end(taken)


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass
