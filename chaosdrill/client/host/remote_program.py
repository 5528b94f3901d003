"""Control of a program on the client host through SSM: the code that Locust and the heartbeat share.

The program's page is on 127.0.0.1 of the client host. Each request to it is one SSM command, so no port needs to be
forwarded, and the injected packet loss does not affect the requests.
"""

import base64
import hashlib
import io
import json
import re
import shlex
import threading
import time
import uuid
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from botocore.exceptions import BotoCoreError, ClientError
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.polling import pause
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import delivery
from chaosdrill.client.host.packing import Archive
from chaosdrill.client.host.pythons import CACHE, Python
from chaosdrill.client.locust_page import ProgramEnded
from chaosdrill.errors import CannotSee, DrillError, Refused

CALL_EVERY_S = 0.5  # at most two commands a second
START_WITHIN_S = 120.0  # the first start unpacks it
CALL_WITHIN_S = 30.0
PARTS_AT_ONCE = 4
MOST_ANSWERED = 64 * 2**20  # bytes of a response, both compressed and unpacked; records have megabytes
MOST_READ = 23_000  # characters of a response in one command: SSM keeps 24,000
_KEPT = re.compile(r"[\w-]{1,100}", re.ASCII)  # the name of a stored response becomes part of a key in the bucket
ERRORS = (DrillError, ClientError, BotoCoreError)


class Program:
    """Client of ``program`` on the client host: sends commands to it and returns its responses.

    :param python: path of the Python there.
    :param path: path of the zipapp there.
    """

    def __init__(self, system: System, python: str, path: str) -> None:
        self._system, self._python, self.path = system, python, path
        self._lock, self._next_s = threading.Lock(), 0.0

    def ask(self, command: str, within_s: float = CALL_WITHIN_S, **given: Any) -> dict[str, Any]:
        """Run a command and return its response.

        :raises CannotSee: when the host did not respond.
        """
        return self.timed(command, within_s, **given)[0]

    def timed(self, command: str, within_s: float = CALL_WITHIN_S, **given: Any) -> tuple[dict[str, Any], int, int]:
        """Run a command and return its response, and when it began and ended, in ns since the epoch (this machine's
        clock).

        :raises CannotSee: when the host did not respond.
        """
        said, sent_ns, came_ns = self._said(command, within_s, given)
        answer = _decoded(said, _called(command))
        return self._rest(answer) if "kept" in answer else answer, sent_ns, came_ns

    def _said(self, command: str, within_s: float, given: Mapping[str, Any]) -> tuple[str, int, int]:
        with self._lock:
            pause(max(0.0, self._next_s - time.monotonic()))
            sent_ns = time.time_ns()
            try:
                return self._run(command, within_s, given), sent_ns, time.time_ns()
            finally:
                self._next_s = time.monotonic() + CALL_EVERY_S

    def _run(self, command: str, within_s: float, given: Mapping[str, Any]) -> str:
        word = base64.b64encode(zlib.compress(json.dumps(given).encode())).decode()
        script = f"printf %s {shlex.quote(word)} | {shlex.join([self._python, self.path, command])}"
        return run_on_client(self._system, script, within_s, called=_called(command)).stdout

    def _rest(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Fetch a response that is longer than the output that SSM keeps: over S3 where there is a bucket, else in
        parts.
        """
        name, length, sha256 = str(answer["kept"]), answer.get("length"), answer.get("sha256")
        if not isinstance(length, int) or not 0 <= length <= MOST_ANSWERED or not _KEPT.fullmatch(name):
            text = f"the client host described an impossible response: {str(answer)[:200]}"
            raise CannotSee(text, code="client-response-unexpected")
        if self._system.topology.client.s3:
            text = self._over_s3(name, length)
        else:
            parts = [{"name": name, "offset": offset, "length": MOST_READ} for offset in range(0, length, MOST_READ)]
            with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="parts") as pool:
                text = "".join(part.strip() for part in pool.map(partial(self._run, "part", CALL_WITHIN_S), parts))
            self._also("drop", name=name)
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise CannotSee(
                f"a response of the client host has another hash than SSM reported: {length:,} characters were "
                f"fetched as {len(text):,}: check who else can write to the bucket",
                code="client-response-altered",
            )
        return _decoded(text, "whose response was fetched")

    def _also(self, command: str, within_s: float = CALL_WITHIN_S, **given: Any) -> None:
        """Run a helper command whose response is not fetched in parts: otherwise a host could cause endless fetches."""
        _decoded(self._said(command, within_s, given)[0], _called(command))

    def _over_s3(self, name: str, length: int) -> str:
        client, at = delivery.place(self._system, f"answers/{name}")
        url, host = delivery.presigned(self._system, "put_object", at)
        try:
            self._also("send", delivery.FETCH_WITHIN_S, name=name, url=url, host=host)
            text: bytes = client.get_object(**at)["Body"].read(length + 1)
        finally:
            client.delete_object(**at)
        self._also("drop", name=name)
        return text.decode("latin-1")


def _called(command: str) -> str:
    return f"`{command}` of chaosdrill's program there"


def _decoded(text: str, what: str) -> dict[str, Any]:
    try:
        unpacking = zlib.decompressobj()
        answer: dict[str, Any] = json.loads(unpacking.decompress(base64.b64decode(text), MOST_ANSWERED))
        if not isinstance(answer, dict) or not unpacking.eof:
            raise ValueError("no JSON object, or not all of it")
    except (ValueError, RecursionError, zlib.error) as error:
        said = f"the command {what} got an unexpected response: {text[:200]!r}"
        raise CannotSee(said, code="client-response-unexpected") from error
    return answer


class OverSsm(BaseAdapter):
    """Transport adapter of ``requests`` for a page on the client host: each request is an SSM command.

    :param name: the page's owner, as messages call it.
    """

    def __init__(self, program: Program, name: str) -> None:
        super().__init__()
        self._program, self._name = program, name

    def send(self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> requests.Response:
        """Send a request as a command.

        :raises requests.ReadTimeout: when the page accepted the request and did not respond in time.
        :raises requests.ConnectionError: when there is no response for another reason.
        """
        url = urlsplit(request.url or "")
        body = request.body or ""
        try:
            answer = self._program.ask(
                "call",
                port=url.port,
                method=request.method,
                path=f"{url.path}?{url.query}" if url.query else url.path,
                headers=dict(request.headers),
                body=body if isinstance(body, str) else bytes(body).decode("latin-1"),
                timeout_s=float(timeout or CALL_WITHIN_S),
            )
        except ERRORS as error:
            raise requests.ConnectionError(str(error), request=request) from error
        if answer.get("late"):
            raise requests.ReadTimeout(_why_silent(self._name, answer), request=request)
        if "status" not in answer:
            kind = ProgramEnded if "gone" in answer else requests.ConnectionError
            raise kind(_why_silent(self._name, answer), request=request)
        return _response(request, answer)

    def close(self) -> None:
        """Release nothing: no connection is kept open."""


def _why_silent(name: str, answer: dict[str, Any]) -> str:
    if "gone" in answer:
        return f"{name} on the client host has ended; its log ends with:\n{answer['gone']}"
    return f"{name} on the client host did not respond: {answer.get('silent')}"


def _response(request: requests.PreparedRequest, answer: dict[str, Any]) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = answer["status"], answer["reason"]
    response.headers = CaseInsensitiveDict(answer["headers"])
    response.raw = io.BytesIO(answer["body"].encode("latin-1"))
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.request, response.url = request, request.url or ""
    return response


def started(
    system: System,
    python: Python,
    app: Archive,
    name: str,
    given: Mapping[str, Any],
    lease_s: float,
    hidden: Mapping[str, str] | None = None,
) -> tuple[Program, int]:
    """Deliver a program to the client host unless it is there, and start it unless this run has it running there.

    :param python: the Python that runs it there.
    :param app: its zipapp.
    :param name: the program, as messages call it.
    :param given: its settings.
    :param lease_s: after how many seconds without a call it ends by itself.
    :param hidden: secrets in its settings; they appear in no command.
    :returns: the client of the program, and the port of its page.
    :raises Refused: when another run uses one.
    """
    host = system.topology.client.instance_id
    program = Program(system, python.executable, delivery.deliver(system, python, app))
    token = uuid.uuid4().hex
    known = {"python": str(python), "executable": python.executable, "program": program.path, "token": token}
    history.record(_starting(app.name.partition(".")[0]), host=host, **known)
    unknown = f"{name} may have been started on the client host {host}; the same step again takes it"
    with describe_half_done(f"{unknown}, and it ends by itself when it was not called for {lease_s:g} s"):
        told = {"run": history.run_id(), "given": dict(given), "lease_s": lease_s, "token": token}
        if hidden:
            told["secrets_file"] = delivery.deliver_secrets(system, python, hidden)
        answer = program.ask("start", START_WITHIN_S, **told)
    if "in_use" in answer:
        raise Refused(
            f"{name} of {_whose(answer['in_use'])} runs on the client host {host}, called "
            f"{answer['idle_s']} s ago: wait until that drill has ended; one that was not called for a minute is "
            f"replaced, and ends by itself after {answer['lease_s']:g} s",
            code="client-host-in-use",
        )
    return program, int(answer["port"])


def known_on_host(system: System, directory: str, program: str, what: str) -> dict[str, Any] | None:
    """Return the stored state of a program that this run started there, or may have started; None without one.

    A start whose response did not come may still be under way, or may still come: it is waited for, and from then on it
    starts nothing.

    :param directory: the directory of its state, below the cache.
    :param program: the name of its zipapp, without the suffix.
    :raises CannotSee: when the host does not respond.
    """
    if (start := _last_start(system, program)) is not None:
        there = Program(system, start["executable"], start["program"])
        known = there.ask("settle", START_WITHIN_S, token=start["token"])["state"] or {}
    else:
        look = f'{CACHE}; cat "$d/{directory}/state.json" 2>/dev/null || true'
        called = f"that searches for {what} of this run"
        said = run_on_client(system, look, called=called, reads="find-program").stdout.strip()
        known = json.loads(said) if said else {}
    return known if known.get("run") == history.run_id() else None


def _starting(program: str) -> str:
    """Return the event with which the start of a program is recorded before it is sent."""
    return f"{program}-starting"


def _last_start(system: System, program: str) -> dict[str, Any] | None:
    """Return the last start of a program that this run has sent to the client host; None without one."""
    drill, host = history.current(), system.topology.client.instance_id
    rows = [] if drill is None else drill.history.events(_starting(program))
    return next((row for row in reversed(rows) if row["host"] == host and "token" in row), None)


def _whose(run: str) -> str:
    return "a user without a drill" if run == history.OUTSIDE else run


def may_run_on(name: str, system: System, lease_s: float, again: str) -> str:
    """Return the message about a program on the client host that may still be running.

    :param again: the step that ends it.
    """
    host = system.topology.client.instance_id
    return (
        f"{name} may still run on the client host {host}: {again} again ends it, and it ends by itself when it was not "
        f"called for {lease_s:g} s"
    )
