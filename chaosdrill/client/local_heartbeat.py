"""A heartbeat process on this machine that belongs to the drill and ends with the process that started it.

As with Locust (``local_locust``), it runs in its own session and holds the read end of a pipe that the kernel closes
when this process ends. It writes its records directly into the run directory.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chaosdrill import history
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.client.heartbeat_process import LOG_TAIL, HeartbeatProcess, record_clock
from chaosdrill.client.heartbeat_secrets import put_back
from chaosdrill.errors import CannotSee
from chaosdrill.page_guard import SECRET_VARIABLE, new_secret

ENDS_WITHIN_S = 5.0
NOTHING: Mapping[str, str] = MappingProxyType({})


class LocalHeartbeat(HeartbeatProcess):
    """A heartbeat process with its page on a free port of 127.0.0.1.

    :param settings: what it sends, in the form of its configuration file.
    :param directory: where it writes its records.
    :param hidden: the secrets whose placeholders are in the settings, by their places.
    """

    def __init__(self, settings: Mapping[str, Any], directory: Path, hidden: Mapping[str, str] = NOTHING) -> None:
        self._hidden = hidden
        self._log = directory.parent / "heartbeat.log"
        secret = new_secret()
        history.register_secret(secret)
        with socket.create_server(("127.0.0.1", 0)) as page:
            url = f"http://127.0.0.1:{page.getsockname()[1]}"
            super().__init__(HeartbeatPage(url, secret=secret), settings, directory)
            history.record("heartbeat-starting", host="this machine", url=url, log=self._log)
            self._lifeline, self._process = self._start(page.fileno(), secret)

    def _start(self, page: int, secret: str) -> tuple[int, subprocess.Popen[bytes]]:
        theirs, ours = os.pipe()
        accounts = self.settings["accounts"] or {"prefix": "", "count": 0}
        names = [f"{accounts['prefix']}{number:05d}" for number in range(accounts["count"])]
        own = {"directory": str(self.kept.directory), "page_fd": page, "lifeline_fd": theirs, "accounts": names}
        descriptor, self._config = tempfile.mkstemp(prefix="chaosdrill-heartbeat-", suffix=".json")
        with open(descriptor, "w") as config:
            json.dump({**put_back(self.settings, self._hidden), **own}, config)
        with open(self._log, "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "chaosdrill.heartbeat", self._config],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[page, theirs],
                env={**os.environ, "PYTHONUNBUFFERED": "1", SECRET_VARIABLE: secret},
                start_new_session=True,
            )
        os.close(theirs)
        return ours, process

    def _check(self) -> None:
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-LOG_TAIL:]
            code = self._process.returncode
            text = f"the heartbeat ended with exit code {code}; its log {self._log} ends with:\n{said}"
            raise CannotSee(text, code="heartbeat-ended")

    def _collect(self) -> None:  # its records are already in the run directory
        sent_ns = time.time_ns()
        now_ns = self.page.clock_ns()
        record_clock(now_ns, sent_ns, time.time_ns())

    def _ended(self) -> str:
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._lifeline)
        Path(self._config).unlink(missing_ok=True)
        return self._log.read_text(errors="replace")

    def _collect_rest(self) -> None:
        """Redact the log; all records are already in the run directory."""
        history.hide_secrets_in_file(self._log)

    def _clean(self) -> None:
        """Remove nothing: its records belong to the run."""
