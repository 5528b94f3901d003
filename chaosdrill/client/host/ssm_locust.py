"""A Locust on the client host that belongs to the drill: delivered, started, called and ended through SSM.

If the drill dies, ``program`` ends it after ``LEASE_S`` without a call.
"""

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import both_told, describe_half_done
from chaosdrill.client.clocks import ClockReading, reading
from chaosdrill.client.collecting import collect
from chaosdrill.client.host import delivery
from chaosdrill.client.host.packing import Archive, locust_needs, locust_zipapp
from chaosdrill.client.host.pythons import find_python
from chaosdrill.client.host.remote_program import ERRORS, OverSsm, Program, known_on_host, may_run_on, started
from chaosdrill.client.local_locust import LOG_TAIL, unfinished_after
from chaosdrill.client.locust_rest import LoadGenerator, clocks_of, wait_for
from chaosdrill.client.plugin_responses import RequestFiles, TimelinePart, records_of
from chaosdrill.errors import CannotSee, TimedOut
from chaosdrill.history.whole_files import write_whole

LEASE_S = 900.0
ANSWER_WITHIN_S = 20.0  # a command takes seconds anyway; on a busy host the page may need more
CLOCK_WITHIN_S = 5.0
FORWARDED_PORT = 8089  # Locust's default


class SsmLocust:
    """A Locust on the client host that belongs to this run.

    :param program: client of the program there.
    :param port: port of its page, on 127.0.0.1 there.
    :param script: path of the load script there; empty: the reference application's.
    """

    def __init__(self, system: System, program: Program, port: int, script: str) -> None:
        self.last: TimelinePart | None = None
        self._script = script
        self.host = system.topology.client
        """The client host on which it runs."""
        self.url = f"http://{system.topology.client.instance_id}:{port}"
        self.port = port
        self.run = history.run_id()
        """The run that it belongs to."""
        self._system, self._program = system, program

    def wait_until_it_answers(self, within_s: float) -> None:
        """Wait until Locust's page responds.

        :raises DrillError: when Locust ends instead, or its page does not respond in time; it does not run then, unless
            the error says so.
        """
        try:
            wait_for(self._answers, bool, within_s, f"Locust to respond at {self.url}", code="locust-not-answering")
        except BaseException as error:
            with both_told(error):
                log = self._ended()
            with suppress(*ERRORS):  # the next start removes its files, too
                self._program.ask("clean")
            if isinstance(error, TimedOut):
                raise TimedOut(f"{error}; its log ends with:\n{log[-LOG_TAIL:]}", code=error.code) from error
            raise

    def _answers(self) -> bool:
        try:
            return self.generator().state().now_s > 0
        except CannotSee as error:
            if error.code == "locust-ended":
                raise
            return False

    def has_script(self, wanted: Path) -> bool:
        """Return whether it runs that load script in its current version."""
        return self._script.endswith(delivery.delivered_as(_script(wanted)))

    def generator(self) -> "SsmLoadGenerator":
        """Return a client of its page."""
        return SsmLoadGenerator(self, self._program)

    def runs(self) -> bool:
        """Return whether its page responds."""
        return self._answers()

    def check(self) -> None:
        """Check nothing: only a request shows whether it is running."""

    def end(self) -> None:
        """End it, store its last counts, and collect its log and its rows into the run directory."""
        try:
            self.last = self.generator().timeline()
        except CannotSee:
            self.last = TimelinePart((), 0.0)
        try:
            log, drill = self._ended(), history.current()
        except ERRORS:
            self.last = None  # it may still be running
            raise
        if drill is not None and log:
            write_whole(drill.directory / "locust.log", history.without_secrets(log))
        with suppress(*ERRORS):  # rows that cannot be fetched now stay there until the next start
            if drill is not None:
                collect(self.generator(), drill.directory / "records")
            self._program.ask("clean")

    def _ended(self) -> str:
        with describe_half_done(may_run_on("Locust", self._system, LEASE_S, "stop_load")):
            return str(self._program.ask("end", run=self.run)["log"])


class SsmLoadGenerator(LoadGenerator):
    """Client of the page of a Locust on the client host, over SSM; its last counts are available after its end."""

    since_s = 0.0
    look_every_s = 5.0
    poll_every_s = 2.0

    def __init__(self, locust: SsmLocust, program: Program) -> None:
        super().__init__(locust.url, timeout_s=ANSWER_WITHIN_S, adapter=OverSsm(program, "Locust"))
        self.locust, self._program = locust, program

    def knows_secret(self) -> bool:
        """Return True: the client host stores the secret, and adds it to the requests over SSM."""
        return True

    def is_open_to_strangers(self) -> bool:
        """Return False: it was started with a secret."""
        return False

    def page_access(self) -> str:
        """Return in words how a person forwards and opens the page, with a one-time URL."""
        host, url = self.locust.host, urlsplit(self.one_time_url())
        return (
            "Locust's page: forward it with `aws ssm start-session --document-name AWS-StartPortForwardingSession "
            f"--target {shlex.quote(host.instance_id)} --region {shlex.quote(host.region)} "
            f"--parameters portNumber={self.locust.port:d},localPortNumber={FORWARDED_PORT}`, then open "
            f"http://127.0.0.1:{FORWARDED_PORT}{url.path}?{url.query}, which works once, in one browser"
        )

    @property
    def has_ended(self) -> bool:
        """Whether this process has ended it."""
        return self.locust.last is not None

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """Return the timeline as :meth:`LoadGenerator.timeline` does; after its end, from its last response."""
        if self.locust.last is None:
            try:
                return super().timeline(since_s)
            except CannotSee:
                if self.locust.last is None:  # else it was ended while this request was waiting
                    raise
        return unfinished_after(self.locust.last, since_s)

    def clocks(self, rounds: int = 1) -> dict[str, ClockReading]:
        """Measure the clocks as :meth:`LoadGenerator.clocks` does; less precisely, because a command takes longer than
        a request.
        """
        return min((self._clocks() for _ in range(rounds)), key=lambda one: one["locust"].rtt_ns)

    def _clocks(self) -> dict[str, ClockReading]:
        request: dict[str, Any] = {"method": "GET", "path": "/chaosdrill/clock", "headers": {}, "body": ""}
        answer, sent_ns, came_ns = self._ask("call", port=self.locust.port, timeout_s=CLOCK_WITHIN_S, **request)
        if answer.get("status") != 200:
            why = answer.get("gone") or answer.get("silent") or f"HTTP {answer.get('status')}"
            text = f"the Locust on the client host did not report its clock: {why}"
            raise CannotSee(text, code="locust-response-unexpected")
        try:
            told = json.loads(answer["body"])
            return clocks_of(reading(told["now_ns"], sent_ns, came_ns), told["workers"])
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            text = f"the Locust on the client host reported its clock as {str(answer.get('body'))[:200]!r}"
            raise CannotSee(text, code="locust-response-unexpected") from error

    def records(self) -> RequestFiles:
        """Return the files in which its rows are recorded; after its end, too, until they were fetched."""
        answer, *_ = self._ask("records", run=self.locust.run, file="", offset=0, limit=0)
        self.last_records = records_of(answer)
        return self.last_records

    def record_file(self, name: str, offset: int, most: int) -> bytes:
        """Return whole lines of a file from an offset, and an unfinished last line when Locust has ended."""
        answer, *_ = self._ask("records", run=self.locust.run, file=name, offset=offset, limit=most)
        return str(answer["text"]).encode("latin-1")

    def _ask(self, command: str, **given: Any) -> tuple[dict[str, Any], int, int]:
        try:
            return self._program.timed(command, **given)
        except ERRORS as error:
            raise CannotSee(f"the client host did not respond: {error}", code="client-host-silent") from error


def start_on_host(system: System, locustfile: Path | None) -> SsmLocust:
    """Deliver Locust to the client host and start it, unless this run has it running there.

    :param locustfile: the load script; None: the reference application's.
    :raises DrillError: when it cannot run there; nothing runs then.
    """
    python = find_python(system, locust_needs())
    app, script = locust_zipapp(python), ""
    if locustfile is not None:
        script = delivery.deliver(system, python, _script(locustfile))
    program, port = started(
        system, python, app, "a Locust", {"script": script, "region_header": system.topology.region_header}, LEASE_S
    )
    return SsmLocust(system, program, port, script)


def _script(locustfile: Path) -> Archive:
    return Archive(locustfile.name, locustfile.read_bytes())


def find_on_host(system: System) -> SsmLocust | None:
    """Return the Locust that another process of this run started on the client host; None without one.

    :raises CannotSee: when the host does not respond.
    """
    if (known := known_on_host(system, "load", "locust", "a Locust")) is None:
        return None
    program = Program(system, known["python"], known["app"])
    return SsmLocust(system, program, int(known["port"]), known["given"]["script"])
