"""A Locust on the client host that belongs to the drill: brought there, started, called and ended through SSM.

Its page is on 127.0.0.1 of the client host. Requests to it are commands there, one each, so nothing need be forwarded,
and the packet loss does not touch them. It cannot outlive its drill for long: ``program`` ends it when nobody has
called for ``LEASE_S``.
"""

import base64
import json
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from botocore.exceptions import BotoCoreError, ClientError
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.polling import pause
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import delivery
from chaosdrill.client.host.packing import Archive, locust_zipapp
from chaosdrill.client.load_seen import TimelinePart
from chaosdrill.client.local_locust import LOG_TAIL, REFERENCE, left_after
from chaosdrill.client.locust_rest import LoadGenerator, wait_for
from chaosdrill.errors import CannotSee, DrillError, Refused, TimedOut

LEASE_S = 900.0
CALL_EVERY_S = 1.0  # at most one command a second
START_WITHIN_S = 120.0  # the first time it is unpacked
CALL_WITHIN_S = 30.0
MOST_READ = 23_000  # characters of an answer in one command: SSM keeps 24,000
ERRORS = (DrillError, ClientError, BotoCoreError)


class Program:
    """The program of ``program`` on the client host: commands to it, and its answers.

    :param python: path of the Python there.
    :param path: of the zipapp there.
    """

    def __init__(self, system: System, python: str, path: str) -> None:
        self._system, self._python, self._path = system, python, path
        self._lock, self._next_s = threading.Lock(), 0.0

    def ask(self, command: str, within_s: float = CALL_WITHIN_S, **given: Any) -> dict[str, Any]:
        """:returns: the answer of a command.

        :raises CannotSee: when the host did not answer.
        """
        called = _called(command)
        answer = _decoded(self._said(command, within_s, given), called)
        return self._rest(answer) if "kept" in answer else answer

    def _said(self, command: str, within_s: float, given: Mapping[str, Any]) -> str:
        word = base64.b64encode(zlib.compress(json.dumps(given).encode())).decode()
        with self._lock:
            pause(max(0.0, self._next_s - time.monotonic()))
            script = f"exec '{self._python}' '{self._path}' {command} {word}"
            try:
                return run_on_client(self._system, script, within_s, called=_called(command)).stdout
            finally:
                self._next_s = time.monotonic() + CALL_EVERY_S

    def _rest(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer that is longer than what SSM keeps of an output: over S3 where there is a bucket, else in parts."""
        name, length = answer["kept"], answer["length"]
        if self._system.topology.load_generator.s3:
            text = self._over_s3(name)
        else:
            offsets = range(0, length, MOST_READ)
            parts = [{"name": name, "offset": offset, "length": MOST_READ} for offset in offsets]
            text = "".join(self._said("part", CALL_WITHIN_S, one).strip() for one in parts)
            self.ask("drop", name=name)
        return _decoded(text, "whose answer was fetched")

    def _over_s3(self, name: str) -> str:
        client, at = delivery.place(self._system, f"answers/{name}")
        url = client.generate_presigned_url("put_object", Params=at, ExpiresIn=delivery.URL_LIFE_S)
        try:
            self.ask("send", delivery.FETCH_WITHIN_S, name=name, url=delivery.as_seen_there(self._system, url))
            text: bytes = client.get_object(**at)["Body"].read()
        finally:
            client.delete_object(**at)
        self.ask("drop", name=name)
        return text.decode()


def _called(command: str) -> str:
    return f"that tells chaosdrill's program there to {command}"


def _decoded(text: str, what: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    except ValueError as error:
        raise CannotSee(f"the command {what} answered something else: {text[:200]!r}") from error
    return answer


class _OverSsm(BaseAdapter):
    """How ``requests`` reaches a page on the client host: each request is a command there."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def send(self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> requests.Response:
        """:raises requests.ConnectionError: when there is no answer."""
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
        if "status" not in answer:
            raise requests.ConnectionError(_why_silent(answer), request=request)
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is held."""


def _why_silent(answer: dict[str, Any]) -> str:
    if "gone" in answer:
        return f"Locust on the client host has ended; its log ends with:\n{answer['gone']}"
    return f"Locust on the client host did not answer: {answer.get('silent')}"


def _response(request: requests.PreparedRequest, answer: dict[str, Any]) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = answer["status"], answer["reason"]
    response.headers = CaseInsensitiveDict(answer["headers"])
    response._content = answer["body"].encode("latin-1")  # as requests' own tests do: there is no public way
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.request, response.url = request, request.url or ""
    return response


class SsmLocust:
    """A Locust that runs on the client host, and belongs to this run.

    :param program: what is asked about it there.
    :param host: the client host's instance id.
    :param port: of its page, on 127.0.0.1 there.
    :param script: path of the load script there; empty: the reference application's.
    """

    def __init__(self, program: Program, host: str, port: int, script: str) -> None:
        self.last: TimelinePart | None = None
        self._script = script
        self.url = f"http://{host}:{port}"
        self._program, self._run = program, run_id()

    def wait_until_it_answers(self, within_s: float) -> None:
        """:raises DrillError: when Locust ends instead, or its page does not answer in time; nothing runs then."""
        try:
            wait_for(self._answers, bool, within_s, f"Locust to answer at {self.url}")
        except BaseException as error:
            log = self._ended()
            if isinstance(error, TimedOut):
                raise TimedOut(f"{error}; its log ends with:\n{log[-LOG_TAIL:]}") from error
            raise

    def _answers(self) -> bool:
        try:
            return self.generator().state().now_s > 0
        except CannotSee as error:
            if "has ended" in str(error):
                raise
            return False

    def has_script(self, wanted: Path) -> bool:
        """:returns: whether it runs that load script, as it is now."""
        return self._script.endswith(delivery.delivered_as(_script(wanted)))

    def generator(self) -> "SsmLoadGenerator":
        """:returns: what asks it."""
        return SsmLoadGenerator(self, self._program)

    def runs(self) -> bool:
        """:returns: whether it answers."""
        return self._answers()

    def check(self) -> None:
        """Nothing is known without asking it: whoever asks is told."""

    def end(self) -> None:
        """End it, remember what it has counted, and keep its log in the run directory."""
        try:
            self.last = self.generator().timeline()
        except CannotSee:
            self.last = TimelinePart((), 0.0)
        try:
            log, drill = self._ended(), history.current()
        except ERRORS:
            self.last = None  # it may run on
            raise
        if drill is not None and log:
            (drill.directory / "locust.log").write_text(log, encoding="utf-8")

    def _ended(self) -> str:
        return str(self._program.ask("end", run=self._run)["log"])


class SsmLoadGenerator(LoadGenerator):
    """The page of a Locust on the client host, over SSM; what it counted is known beyond its end."""

    since_s = 0.0
    look_every_s = 5.0
    poll_every_s = 2.0

    def __init__(self, locust: SsmLocust, program: Program) -> None:
        super().__init__(locust.url, adapter=_OverSsm(program))
        self.locust = locust

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """:returns: as any Locust's; after its end what it said last."""
        if self.locust.last is None:
            try:
                return super().timeline(since_s)
            except CannotSee:
                if self.locust.last is None:  # else it was ended while this question waited for its turn
                    raise
        return left_after(self.locust.last, since_s)


def start_on_host(system: System, locustfile: Path | None) -> SsmLocust:
    """Bring Locust to the client host and start it, unless this run has it there already.

    :param locustfile: the load script; None: the reference application's own.
    :raises DrillError: when it cannot run there; nothing runs then.
    """
    app, host = locust_zipapp(), system.topology.client.instance_id
    python = delivery.find_python(system, app.needs)
    path = delivery.deliver(system, python, app)
    script = ""
    if locustfile is not None:
        script = delivery.deliver(system, python, _script(locustfile))
    program = Program(system, python.executable, path)
    history.record("locust-starting", host=host, python=str(python), program=path, locustfile=locustfile or REFERENCE)
    answer = program.ask("start", START_WITHIN_S, run=run_id(), script=script, lease_s=LEASE_S)
    if "in_use" in answer:
        raise Refused(
            f"a Locust of {answer['in_use'] or 'somebody without a drill'} runs on the client host {host}, called "
            f"{answer['idle_s']} s ago: wait until that drill has ended; one that nobody has called for a minute is "
            f"replaced, and ends by itself after {answer['lease_s']:g} s"
        )
    return SsmLocust(program, host, int(answer["port"]), script)


def _script(locustfile: Path) -> Archive:
    return Archive(locustfile.name, locustfile.read_bytes())


def find_on_host(system: System) -> SsmLocust | None:
    """:returns: the Locust that another process of this run has started on the client host; None without one.

    :raises CannotSee: when the host does not say.
    """
    look = f'{delivery.CACHE}; cat "$d/load/state.json" 2>/dev/null || true'
    said = run_on_client(system, look, called="that looks for a Locust of this run").stdout.strip()
    known: dict[str, Any] = json.loads(said) if said else {}
    if known.get("run") != run_id():
        return None
    program = Program(system, known["python"], known["app"])
    return SsmLocust(program, system.topology.client.instance_id, int(known["port"]), known["script"])


def run_id() -> str:
    """:returns: whose Locust it is: the open drill's; outside of one, nobody's in particular."""
    drill = history.current()
    return "" if drill is None else drill.run_id
