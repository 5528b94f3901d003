"""A Locust process on this machine that belongs to the drill and ends with the process that started it.

It runs in its own session, so that a terminal's Ctrl-C does not reach it and rollbacks can still stop it in order. It
holds the read end of a pipe whose write end is in this process alone: when this process ends for any reason, the kernel
closes that end, and chaosdrill's plugin kills Locust's process group (``plugin.end_with``). A parent-death signal would
not do: it is sent when the *thread* that started Locust ends, such as that of a background activity.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import chaosdrill
from chaosdrill import history
from chaosdrill.client.locust_page import PASSWORD, USER, give_secret
from chaosdrill.client.locust_rest import LoadGenerator, wait_for
from chaosdrill.client.plugin_responses import TimelinePart
from chaosdrill.errors import CannotSee
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret

# Located by path, not imported: the plugin imports Locust, which patches the process that imports it.
PLUGIN = Path(chaosdrill.__file__).with_name("load") / "plugin.py"
REFERENCE = PLUGIN.with_name("reference.py")
OPTIONS = ("--web-base-path=",)  # overrides a `locust.conf` beside the script: the drill expects the page at the root
ENDS_WITHIN_S = 5.0
LOG_TAIL = 2000
LOG_PREFIX = "chaosdrill-locust-"
RECORDS_PREFIX = "chaosdrill-locust-records-"
BUCKET_S = 0.1  # as in the plugin; the bucket that contains ``since_s`` was incomplete in the previous response


class LocalLocust:
    """A Locust process with its page on a free port of 127.0.0.1.

    :param locustfile: the load script; None: the reference application's.
    :param region_header: the response header that names the region that served the request.
    """

    def __init__(self, locustfile: Path | None, region_header: str) -> None:
        self._region_header = region_header
        self.locustfile = (locustfile or REFERENCE).resolve()
        self.log = _log_file()
        self.records = _records_directory()
        self.last: TimelinePart | None = None
        self._secret = new_secret()
        with socket.create_server(("127.0.0.1", 0)) as page:
            self.url = f"http://127.0.0.1:{page.getsockname()[1]}"
            give_secret(self.url, self._secret)
            history.record("locust-starting", url=self.url, locustfile=self.locustfile, log=self.log)
            self._lifeline, self._process = self._start(page.fileno())

    def _start(self, page: int) -> tuple[int, subprocess.Popen[bytes]]:
        theirs, ours = os.pipe()
        drill = history.current()
        variables = {
            "CHAOSDRILL_LOAD_FD": str(page),
            "CHAOSDRILL_LOAD_LIFELINE": str(theirs),
            "CHAOSDRILL_LOAD_RECORDS": str(self.records),
            "CHAOSDRILL_LOAD_REGION_HEADER": self._region_header,
            "CHAOSDRILL_RUN": "" if drill is None else drill.run_id,
            SECRET_VARIABLE: self._secret,
            "PYTHONUNBUFFERED": "1",
        }
        with open(self.log, "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "locust", "-f", f"{PLUGIN},{self.locustfile}", *OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[page, theirs],
                env=_environment() | variables,
                cwd=self.locustfile.parent,
                start_new_session=True,
            )
        os.close(theirs)
        return ours, process

    def wait_until_it_answers(self, within_s: float) -> None:
        """Wait until Locust's page responds.

        :raises DrillError: when Locust ends instead, or its page does not respond in time; it does not run then.
        """
        try:
            what = f"Locust to respond at {self.url} (its log: {self.log})"
            wait_for(self._answers, bool, within_s, what, code="locust-not-answering")
        except BaseException:  # also a signal: no caller knows this process yet
            self.kill()
            raise

    def _answers(self) -> bool:
        self.check()
        try:
            return LoadGenerator(self.url).state().now_s > 0
        except CannotSee:
            return False

    def has_script(self, wanted: Path) -> bool:
        """Return whether it runs that load script."""
        return wanted.resolve() == self.locustfile

    def generator(self) -> "LocalLoadGenerator":
        """Return a client of its page."""
        return LocalLoadGenerator(self)

    @property
    def pid(self) -> int:
        """The process ID, which is also its process group's."""
        return self._process.pid

    def runs(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def check(self) -> None:
        """Check that it is running.

        :raises CannotSee: when it has ended by itself.
        """
        if not self.runs():
            raise CannotSee(
                f"the Locust of this drill ended with exit code {self._process.returncode}; its script: "
                f"{self.locustfile}; {_why(self.log)}",
                code="locust-ended",
            )

    def end(self) -> None:
        """End it in order, and store its last counts, which the drill control reads afterwards."""
        try:
            self.last = LoadGenerator(self.url).timeline()
        except CannotSee:
            self.last = TimelinePart((), 0.0)
        if self.runs():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_WITHIN_S)
        self.kill()
        history.hide_secrets_in_file(self.log)
        if self.log.name.startswith(LOG_PREFIX):  # outside a drill; the log of one that failed to start is not removed
            self.log.unlink(missing_ok=True)
        if self.records.name.startswith(RECORDS_PREFIX):
            shutil.rmtree(self.records, ignore_errors=True)

    def kill(self) -> None:
        """Kill its process group. Repeating the call has no effect."""
        if self._lifeline < 0:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._lifeline)
        self._lifeline = -1


class LocalLoadGenerator(LoadGenerator):
    """Client of the page of a Locust that belongs to this process; its last counts are available after its end."""

    since_s = 0.0

    def __init__(self, locust: LocalLocust) -> None:
        super().__init__(locust.url)
        self.locust = locust
        self.records_directory = locust.records

    @property
    def has_ended(self) -> bool:
        """Whether this process has ended it."""
        return self.locust.last is not None

    def timeline(self, since_s: float = 0.0) -> TimelinePart:
        """Return the timeline as :meth:`LoadGenerator.timeline` does; after its end, from its last response."""
        if self.locust.last is None:
            try:
                self.locust.check()
                return super().timeline(since_s)
            except CannotSee:
                if self.locust.last is None:  # else it was ended while this request was in flight
                    raise
        return unfinished_after(self.locust.last, since_s)


def unfinished_after(last: TimelinePart, since_s: float) -> TimelinePart:
    """Return the part of a Locust's last response that was not final at ``since_s`` (its clock)."""
    left = tuple(one for one in last.buckets if one[0] + BUCKET_S > since_s + BUCKET_S / 1000)
    return TimelinePart(left, last.watermark_s, last.stopping_s)


def _environment() -> dict[str, str]:
    """Return the environment without the password and without variables that would reconfigure Locust (LOCUST_HEADLESS,
    ...).
    """
    left_out = (USER, PASSWORD)
    return {
        name: value for name, value in os.environ.items() if not name.startswith("LOCUST_") and name not in left_out
    }


def _log_file() -> Path:
    drill = history.current()
    if drill is not None:
        return drill.directory / "locust.log"
    descriptor, name = tempfile.mkstemp(prefix=LOG_PREFIX, suffix=".log")
    os.close(descriptor)
    return Path(name)


def _records_directory() -> Path:
    drill = history.current()
    return Path(tempfile.mkdtemp(prefix=RECORDS_PREFIX)) if drill is None else drill.directory / "records"


def _why(log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    # without a User class, Locust treats the file as a pytest module, and fails with an unrelated error
    if "in load_locustfile_pytest" in said:
        return "it defines no User class (`from locust import HttpUser`, and a subclass with tasks)"
    return f"its log {log} ends with:\n{said}" if said else f"its log {log} is empty"
