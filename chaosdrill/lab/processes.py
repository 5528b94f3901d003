"""The lab's child processes: started with a log of their own, watched, ended."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chaosdrill.errors import LabError


class Process:
    """One child process of the supervisor.

    :param name: of its log file.
    :param command: program and arguments.
    :param log: where its output goes, appended.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, pass_fds: Sequence[int] = (), enter: Callable[[], None] | None = None) -> None:
        """Start it, in a process group of its own.

        :param enter: is called in the new process before its program is loaded.
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
        """Its exit code, or None while it runs or before it was started."""
        return self._process.returncode if self._process else None

    def check(self) -> None:
        """:raises LabError: when it has ended, with the last line of its log."""
        if self.exit_code is not None:
            raise LabError(
                f"{self.name} ended with exit code {self.exit_code}: {tail(self._log, 1)} "
                f"(`chaosdrill lab logs {self.name}` shows more)"
            )

    async def ended(self) -> None:
        """Wait until it has ended, however it does."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, within_s: float = 2.0) -> None:
        """Ask its group to end, and end it by force after ``within_s``."""
        if self._process is None or self._process.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def children(self) -> list[int]:
        """:returns: the processes that it has started itself and that are alive."""
        if self._process is None or self._process.returncode is not None:
            return []
        return [
            int(pid) for pid in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        ]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group."""
        if self._process is None or self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # it has ended meanwhile


def tail(log: Path, lines: int = 5) -> str:
    """:returns: the last lines of a log, for a message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-lines:]) or "(empty log)"
