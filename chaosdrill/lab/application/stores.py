"""Connections to a region's database and main table that survive restarts, role changes and hanging servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

import asyncpg

from chaosdrill.lab.postgres.server import DATABASE, PORT, TROUBLE, describe
from chaosdrill.lab.postgres.template import USER

TIMEOUT_S = 1.0
CONNECTIONS = 6


class StoreDown(Exception):
    """A store cannot be reached; no request was sent to it."""


class Unanswered(StoreDown):
    """A store stopped responding; it is unknown whether it executed the request."""


class ReadOnly(Exception):
    """A store accepts no writes: it is a standby."""


class RegionStore:
    """A region's database or main table. Use as an async context manager.

    :param kind: its name in messages.
    :param writer_only: whether its address is unreachable while the server there is a standby, like the cluster
        endpoint of an Aurora global database's secondary cluster.
    """

    def __init__(self, kind: str, region: str, address: str, writer_only: bool = False) -> None:
        self.name = f"the {kind} of {region}"
        self._pool = asyncpg.create_pool(
            host=address,
            port=PORT,
            user=USER,
            database=DATABASE,
            ssl=False,
            timeout=TIMEOUT_S,
            command_timeout=TIMEOUT_S,
            min_size=0,
            max_size=CONNECTIONS,
            target_session_attrs="read-write" if writer_only else "any",
            reset=_keep_as_it_is,
        )

    async def __aenter__(self) -> "RegionStore":
        await self._pool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.terminate()

    async def fetch_value(self, query: str, *arguments: Any) -> Any:
        """Return the first column of the first row; None when there is no row.

        :raises StoreDown: when the store cannot be reached within 1 s.
        :raises Unanswered: when it does not respond within another 1 s.
        :raises ReadOnly: when the query writes and the store is a standby.
        """
        async with self._connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def fetch(self, query: str, *arguments: Any) -> "list[asyncpg.Record]":
        """Return all rows. Raises like :meth:`fetch_value`."""
        async with self._connection() as connection:
            return list(await connection.fetch(query, *arguments))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            connection = await self._pool.acquire(timeout=TIMEOUT_S)
        except TROUBLE as error:
            raise StoreDown(f"{self.name} cannot be reached: {describe(error)}") from error
        try:
            yield connection
        except asyncpg.ReadOnlySQLTransactionError as error:
            raise ReadOnly(f"{self.name} is read-only: {describe(error)}") from error
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            with suppress(asyncpg.InterfaceError):  # the pool may have released it already
                connection.terminate()  # releasing it would request a cancel from the server, and wait for it
            raise Unanswered(f"{self.name} stopped answering: {describe(error)}") from error
        except asyncio.CancelledError:  # another use of the store got no response: this query gets none either
            with suppress(asyncpg.InterfaceError):
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection, timeout=TIMEOUT_S)


async def _keep_as_it_is(connection: Any) -> None:
    """Reset nothing: no query changes the session, so a round trip is saved."""
