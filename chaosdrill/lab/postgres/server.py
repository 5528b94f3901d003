"""A PostgreSQL server: configure, start, query, stop, kill, promote."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from chaosdrill.errors import LabError
from chaosdrill.lab.postgres import configuration
from chaosdrill.lab.postgres.binaries import binary
from chaosdrill.lab.postgres.processes import signal_all, working_in
from chaosdrill.lab.postgres.template import USER

PORT = 5432
DATABASE = "postgres"
START_TIMEOUT_S = 20.0
LOOK_EVERY_S = 0.01
LOG_LINES_IN_ERRORS = 5
# InternalClientError: raised by asyncpg 0.32 when the server's termination message arrives during a send
TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Server:
    """A PostgreSQL server in a directory.

    :param name: its name in messages, for example ``database tokyo``.
    :param address: the IPv4 address for clients, port 5432.
    :param storage_address: the address for its followers and for the lab itself; the same port.
    :param data: its data directory, which contains a cluster before the first start.
    :param log: the file to which its log is appended.
    :param settings: its own settings, in addition to those of every server of the lab.
    """

    def __init__(
        self, name: str, address: str, storage_address: str, data: Path, log: Path, settings: configuration.Settings
    ) -> None:
        self.name = name
        self.address = address
        self.storage_address = storage_address
        self.data = data
        self.log = log
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None

    # -- lifecycle------------------------------------------------------------------------------------------------

    async def start(self, standby_of: str | None = None) -> None:
        """Start it and wait until it accepts connections.

        Leftovers of an earlier process are removed: processes that still work in the data directory are killed, and
        ``postmaster.pid``, which is then stale, is removed. (Its process ID may belong to an unrelated process, and
        PostgreSQL would then refuse to start.)

        :param standby_of: conninfo of the server to follow; None starts a primary.
        :raises LabError: when it does not start within 20 s; the message includes the end of its log.
        """
        await self.kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.configure(standby_of)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                binary("postgres"),
                "-D",
                self.data,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self._until(self._accepts_connections, START_TIMEOUT_S, "accept connections")

    def configure(self, standby_of: str | None = None) -> None:
        """Write its configuration and its role. See :meth:`start`."""
        addresses = ",".join(dict.fromkeys((self.address, self.storage_address)))
        settings = {"listen_addresses": addresses, "port": PORT, **self.settings}
        standby_signal = self.data / "standby.signal"
        if standby_of is None:
            standby_signal.unlink(missing_ok=True)
        else:
            settings["primary_conninfo"] = standby_of
            standby_signal.touch()
        configuration.write(self.data, settings)

    async def stop(self, timeout_s: float) -> None:
        """Stop it cleanly: transactions are completed, and followers have received everything.

        :raises LabError: when it is not running or does not stop in time, for example because a follower does not
            receive the rest. It is then still stopping: :meth:`kill` it.
        """
        if self._process is None or self._process.returncode is not None:
            raise LabError(f"{self.name} cannot be stopped: it is not running")
        self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError as error:
            why = f"{self.name} did not stop within {timeout_s:g} s; {self._last_words()}"
            raise LabError(why, code="lab-database-late") from error

    async def kill(self) -> None:
        """Kill it in any state, including hanging and partly dead. Committed data is kept."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None
        while orphans := self.processes():
            signal_all(orphans, signal.SIGKILL)
            await asyncio.sleep(LOOK_EVERY_S)  # they are not this process's children, so they cannot be awaited

    async def promote(self, timeout_s: float) -> None:
        """Make a standby the primary of its data, without contacting the old primary.

        :raises LabError: when it is not a standby, or does not accept writes in time.
        """
        async with self.session(timeout_s) as session:
            await session.execute("select pg_promote(wait => false)")

            async def writable() -> bool:
                return not await session.fetchval("select pg_is_in_recovery()")

            await self._until(writable, timeout_s, "accept writes after its promotion")

    async def until_following(self, timeout_s: float) -> None:
        """Wait until this standby receives its primary's writes.

        :raises LabError: when it does not in time.
        """
        async with self.session(timeout_s) as session:

            async def following() -> bool:
                return bool(await session.fetchval("select status = 'streaming' from pg_stat_wal_receiver"))

            await self._until(following, timeout_s, "receive what its primary writes")

    async def until_followed(self, timeout_s: float) -> None:
        """Wait until a logical subscriber receives this server's writes.

        :raises LabError: when none does in time.
        """
        async with self.session(timeout_s) as session:

            async def followed() -> bool:
                return bool(await session.fetchval("select bool_or(active) from pg_replication_slots"))

            await self._until(followed, timeout_s, "get a subscriber")

    async def until_replayed(self, position: str, timeout_s: float) -> None:
        """Wait until this standby has received and replayed the log record that begins at ``position``.

        :raises LabError: when it has not in time.
        """
        async with self.session(timeout_s) as session:

            async def replayed() -> bool:
                query = "select pg_last_wal_replay_lsn() > $1::text::pg_lsn"
                return bool(await session.fetchval(query, position))

            await self._until(replayed, timeout_s, f"receive everything up to {position}")

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def conninfo(self) -> str:
        """Connection string of its superuser for libpq programs."""
        return f"host={self.storage_address} port={PORT} user={USER} dbname={DATABASE}"

    async def connect(self, timeout_s: float = 1.0) -> "asyncpg.Connection[Any]":
        """Open a connection as superuser.

        :param timeout_s: timeout of connecting, and of each statement, in seconds.
        """
        return await asyncpg.connect(
            host=self.storage_address,
            port=PORT,
            user=USER,
            database=DATABASE,
            ssl=False,
            timeout=timeout_s,
            command_timeout=timeout_s,
        )

    @asynccontextmanager
    async def session(self, timeout_s: float = 1.0) -> "AsyncIterator[asyncpg.Connection[Any]]":
        """Open a connection for one use; all its failures are raised as :class:`LabError`."""
        try:
            connection = await self.connect(timeout_s)
            try:
                yield connection
            finally:
                connection.terminate()
        except TROUBLE as error:
            why = f"{self.name} did not carry out its command: {describe(error)}"
            raise LabError(why, code="lab-query-failed") from error

    async def ask(self, query: str, *arguments: Any, timeout_s: float = 1.0) -> Any:
        """Query one value.

        :returns: the first column of the first row; None when there is no row.
        :raises LabError: when the server cannot be reached, refuses, or takes longer than ``timeout_s``.
        """
        async with self.session(timeout_s) as session:
            return await session.fetchval(query, *arguments)

    async def execute(self, script: str, timeout_s: float = 10.0) -> None:
        """Run a script of statements, in one transaction unless the script itself controls transactions.

        :raises LabError: when the server cannot be reached, refuses, or takes longer than ``timeout_s``.
        """
        async with self.session(timeout_s) as session:
            await session.execute(script)

    async def role(self) -> str:
        """Return ``primary``, ``standby``, or ``down`` when it does not respond within 1 s."""
        try:
            return "standby" if await self.ask("select pg_is_in_recovery()") else "primary"
        except LabError:
            return "down"

    def processes(self) -> list[int]:
        """Return the IDs of all its live processes."""
        return working_in(self.data, "postgres")

    # -- waiting --------------------------------------------------------------------------------------------------

    async def _until(self, condition: Callable[[], Awaitable[bool]], timeout_s: float, what: str) -> None:
        """Poll every 10 ms: PostgreSQL announces neither readiness nor promotion to its parent."""
        deadline = time.monotonic() + timeout_s
        while not await condition():
            if self._process is None or self._process.returncode is not None:
                why = f"{self.name} ended before it could {what}; {self._last_words()}"
                raise LabError(why, code="lab-database-down")
            if time.monotonic() > deadline:
                why = f"{self.name} did not {what} within {timeout_s:g} s; {self._last_words()}"
                raise LabError(why, code="lab-database-late")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _accepts_connections(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"  # its line 8 is the state, written for pg_ctl

    def _last_words(self) -> str:
        if not self.log.exists():
            return f"it left no log at {self.log}"
        with self.log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES_IN_ERRORS:]
        return f"the end of {self.log}: " + " | ".join(lines)


def describe(error: BaseException) -> str:
    """Return an error's text, or its type when it has none (timeouts)."""
    return str(error) or type(error).__name__
