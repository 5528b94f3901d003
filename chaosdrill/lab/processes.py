"""The lab's child processes, each with its own log."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chaosdrill.errors import LabError


class Process:
    """One child process of the supervisor.

    :param name: name of its log file.
    :param command: program and arguments.
    :param log: file to which its output is appended.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, pass_fds: Sequence[int] = (), enter: Callable[[], None] | None = None) -> None:
        """Start it in its own session and process group.

        :param enter: called in the new process before its program is loaded.
        """
        with open(self._log, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=tuple(pass_fds),
                preexec_fn=enter,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs or before it was started."""
        return self._process.returncode if self._process else None

    def check(self) -> None:
        """Check that it has not ended.

        :raises LabError: when it has ended, with the last line of its log.
        """
        if self.exit_code is not None:
            raise LabError(
                f"{self.name} ended with exit code {self.exit_code}: {tail(self._log, 1)} "
                f"(`chaosdrill lab logs {self.name}` shows more)"
            )

    async def ended(self) -> None:
        """Wait until it has ended for any reason."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, within_s: float = 2.0) -> None:
        """Terminate its process group, and kill it after ``within_s`` seconds."""
        if self._process is None or self._process.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def children(self) -> list[int]:
        """Return the IDs of its live child processes."""
        if self._process is None or self._process.returncode is not None:
            return []
        return [
            int(pid) for pid in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        ]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group."""
        if self._process is None or self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # it has ended in the meantime


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log, for a message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-lines:]) or "(empty log)"
