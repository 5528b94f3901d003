"""Locust in the bastion: started idle with the lab, and controlled over REST like any other."""

import asyncio
import importlib.util
import os
import signal
import sys
from functools import partial
from pathlib import Path

from chaosdrill.errors import LabError
from chaosdrill.lab import client_view
from chaosdrill.lab.environment import client_environment
from chaosdrill.lab.namespaces import enter_for_good
from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.processes import Process, tail
from chaosdrill.load.test_state import UNPOLLED_S, UNPOLLED_VARIABLE
from chaosdrill.page_guard import SECRET_VARIABLE, take_secret

SHORTEST_UNPOLLED_S = 60.0  # a driver on a busy machine may be late by seconds


class LabLocust:
    """A Locust process on the client host; its page is on a socket that was opened outside the lab.

    :param page_fd: the listening socket, on 127.0.0.1 of the host.
    """

    def __init__(self, plan: LabPlan, network_fd: int, page_fd: int) -> None:
        self._plan = plan
        self._network_fd = network_fd
        self._page_fd = page_fd
        self._process: Process | None = None
        self._log = plan.directory / "logs" / "load.log"
        self._workers = 0
        self._page_secret = take_secret()
        self._nameserver = plan.services_address
        self.locustfile = reference_locustfile()

    async def start(self, locustfile: str = "") -> str:
        """Start it, or restart it with another locustfile.

        :param locustfile: path of a Locust script; empty: the reference application's.
        :returns: the locustfile that it runs.
        :raises LabError: when there is no such file.
        """
        wanted = Path(locustfile).resolve() if locustfile else reference_locustfile()
        if not wanted.is_file():
            raise LabError(f"no locustfile at {wanted}: give the path of a Locust script")
        if self._process is not None and self._process.exit_code is None and wanted == self.locustfile:
            return str(wanted)
        await self.stop()
        self.locustfile = wanted
        self._process = Process("load", self._command(), self._log, self._environment())
        view_fd = await asyncio.to_thread(client_view.build, self._plan, wanted)
        try:
            enter = partial(enter_for_good, self._network_fd, view_fd, str(wanted.parent))
            await self._process.start(pass_fds=[self._page_fd], enter=enter)
        finally:
            os.close(view_fd)
        return str(wanted)

    async def restart(self, workers: int | None = None, nameserver: str | None = None) -> None:
        """Restart it with other settings: see ``breaks``. A running test ends.

        :param workers: number of worker processes; 0 (the default): the process of its page makes the requests. None:
            unchanged.
        :param nameserver: address of its name server; empty (the default): the lab's DNS. None: unchanged.
        """
        self._workers = self._workers if workers is None else workers
        if nameserver is not None:
            self._nameserver = nameserver or self._plan.services_address
        await self.stop()
        self._process = None
        await self.start(str(self.locustfile))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all its processes; has no effect when it is not running."""
        if self._process is not None:
            self._process.signal(number)

    def workers(self) -> list[int]:
        """Return the IDs of its worker processes, if it has any."""
        return self._process.children() if self._process is not None else []

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            await self._process.stop()

    def check(self) -> None:
        """Check that it is running.

        :raises LabError: when it has ended by itself.
        """
        if self._process is None:
            return
        try:
            self._process.check()
        except LabError as error:
            raise LabError(f"Locust does not run {self.locustfile}: {self._why_not() or error}") from error

    def _why_not(self) -> str:
        # without a User class, Locust treats the file as a pytest module, and may fail with an unrelated error
        log = tail(self._log, 60)
        no_user = "in load_locustfile_pytest" in log or "No User class found" in log
        return "it defines no User class (`from locust import HttpUser`, and a subclass with tasks)" if no_user else ""

    def _command(self) -> list[str]:
        files = f"{_file_of('chaosdrill.load.plugin')},{self.locustfile}"
        locust = [sys.executable, "-m", "locust", "-f", files, "--host", f"http://{self._plan.domain}"]
        workers = ["--processes", str(self._workers)] if self._workers else []
        return [*locust, *workers]

    def _environment(self) -> dict[str, str]:
        environment = client_environment(self._plan)
        unpolled_s = os.environ.get(UNPOLLED_VARIABLE) or f"{max(SHORTEST_UNPOLLED_S, UNPOLLED_S * self._plan.scale):g}"
        return {
            **{name: value for name, value in environment.items() if not name.startswith("AWS_")},
            "CHAOSDRILL_LOAD_FD": str(self._page_fd),
            SECRET_VARIABLE: self._page_secret,
            "CHAOSDRILL_LOAD_RECORDS": str(self._plan.directory / "records"),
            UNPOLLED_VARIABLE: unpolled_s,
            **resolver_variables(self._nameserver),
            "PYTHONUNBUFFERED": "1",
        }


def resolver_variables(nameserver: str) -> dict[str, str]:
    """Return the environment variables with which Locust looks names up as a client host does.

    c-ares honours the TTL of DNS responses; libc and gevent's default resolver query every time. Its timeouts follow
    the latency that it has measured, down to 0.25 s: by default it gives up after 2 to 3 s, and on a busy machine
    requests failed. Six attempts take 9 s or more; libc takes 10 s.

    :source: https://c-ares.org/docs/ares_init_options.html (ARES_OPT_TIMEOUTMS, ARES_OPT_TRIES), resolv.conf(5)
    """
    return {"GEVENT_RESOLVER": "ares", "GEVENTARES_SERVERS": nameserver, "GEVENTARES_TRIES": "6"}


def reference_locustfile() -> Path:
    """Return the path of the reference application's load script."""
    return _file_of("chaosdrill.load.reference")


def _file_of(module: str) -> Path:
    # located by path, not imported: Locust patches the process that imports it
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LabError(f"{module} is not installed: install chaosdrill again")
    return Path(spec.origin)
