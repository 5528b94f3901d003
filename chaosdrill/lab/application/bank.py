"""The bank's operations on its two stores: accept a transaction in the main table, settle it in the database."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from chaosdrill.lab.application.stores import RegionStore
from chaosdrill.lab.plan import Settlement

SETTLED_IN_A_ROUND = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transaction:
    """State of an accepted transaction."""

    status: str
    updated_at: datetime


class Bank:
    """The bank of one region. Every method raises :class:`StoreDown` or :class:`ReadOnly` when a store does."""

    def __init__(self, database: RegionStore, main_table: RegionStore, region: str, settlement: Settlement) -> None:
        self._settlement = settlement
        self._main_table = main_table
        self._database = database
        self._region = region

    async def open_account(self, account_id: str) -> None:
        """Create the account in the database if it does not exist; fails where the database is a standby."""
        query = "insert into account (account_id) values ($1) on conflict do nothing"
        await self._database.fetch_value(query, account_id)

    async def accept(self, account_id: str, kind: str, quantity: int) -> uuid.UUID | None:
        """Accept a transaction.

        :param kind: ``deposit`` or ``withdraw``.
        :returns: its ID; None when the account has a pending transaction.
        """
        transaction = uuid.uuid4()
        query = "select accept($1, $2, $3, $4, $5)"
        accepted = await self._main_table.fetch_value(query, transaction, account_id, kind, quantity, self._region)
        return transaction if accepted else None

    async def transaction(self, account_id: str, transaction: uuid.UUID) -> Transaction | None:
        """Return a transaction of an account; None when the account has none with that ID."""
        query = "select status, updated_at from transactions where id = $1 and account_id = $2"
        rows = await self._main_table.fetch(query, transaction, account_id)
        return Transaction(rows[0]["status"], rows[0]["updated_at"]) if rows else None

    async def balance(self, account_id: str) -> int:
        """Return the balance in the region's own database; 0 for an unknown account."""
        balance: int | None = await self._database.fetch_value(
            "select balance from account where account_id = $1", account_id
        )
        return balance or 0

    async def settle_pending(self, is_open: Callable[[], Awaitable[bool]]) -> None:
        """Settle pending transactions, oldest first, as long as the region is open. The region that accepted them does
        not matter.

        :raises ExceptionGroup: with :class:`StoreDown` or :class:`ReadOnly`, as soon as a store fails.
        """
        query = "select id, account_id, kind, quantity from transactions where status = $1 order by updated_at limit $2"
        waiting = iter(await self._main_table.fetch(query, "status#pending", SETTLED_IN_A_ROUND))

        async def lane() -> None:
            for row in waiting:
                if not await is_open():
                    return
                await self._settle(*row)

        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._settlement.at_once):
                lanes.create_task(lane())

    async def _settle(self, transaction: uuid.UUID, account_id: str, kind: str, quantity: int) -> None:
        """Settle one transaction. A crash between the two steps is harmless: settling again changes nothing and returns
        the same outcome.
        """
        await asyncio.sleep(self._settlement.cost_s.get(kind, 0.0))  # the reference calls two services
        settle, finish = "select settle($1, $2, $3, $4)", "select finish($1, $2, $3)"
        try:
            outcome = await self._database.fetch_value(settle, transaction, account_id, kind, quantity)
            await self._main_table.fetch_value(finish, transaction, outcome, self._region)
        except asyncpg.PostgresError as error:  # concerns this transaction, not the store: continue with the others
            log.error("transaction %s of account %s cannot be settled: %s", transaction, account_id, error)
