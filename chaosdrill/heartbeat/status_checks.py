"""Status checks of a write or an account, through the application."""

import json
from dataclasses import dataclass
from typing import Any

from chaosdrill.heartbeat.config import Balance, SettlementFields
from chaosdrill.heartbeat.http_client import Exchange, HttpClient
from chaosdrill.heartbeat.ledger import LedgerWrite
from chaosdrill.records.ledger import MISSING, PENDING, ROLLED_BACK, SETTLED, UNREADABLE


@dataclass(frozen=True, slots=True)
class StatusCheck:
    """One read of a write's state, or of a balance (None: unreadable)."""

    state: str
    region: str
    seen_ns: int
    balance: int | None = None


async def look_at_write(client: HttpClient, settled: SettlementFields, write: LedgerWrite) -> StatusCheck:
    """Read the state of a write with an id from the application."""
    request = settled.operation.request(client.target, write.account, write.id or "", write.quantity)
    exchange = await client.exchange(request, write.seq)
    return StatusCheck(state_of(exchange, settled), exchange.region, exchange.ended_ns)


async def look_at_balance(client: HttpClient, balance: Balance, account: str, turn: int) -> StatusCheck:
    """Read the account's balance from the application."""
    exchange = await client.exchange(balance.operation.request(client.target, account), turn)
    found = balance_of(exchange, balance)
    return StatusCheck(UNREADABLE if found is None else SETTLED, exchange.region, exchange.ended_ns, found)


def state_of(exchange: Exchange, settled: SettlementFields) -> str:
    """Return the state of a write in a response; an unclear response is unreadable, never missing."""
    if exchange.error or exchange.timed_out:
        return UNREADABLE
    if exchange.status in settled.missing_status:
        return MISSING
    value = field_of(exchange.body, settled.field) if exchange.status in settled.operation.status else None
    if not isinstance(value, str | int | float):
        return UNREADABLE
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    for state, texts in ((SETTLED, settled.settled), (ROLLED_BACK, settled.rolled_back), (PENDING, settled.pending)):
        if text in texts:
            return state
    return UNREADABLE if settled.pending else PENDING


def balance_of(exchange: Exchange, balance: Balance) -> int | None:
    """Return the balance in a response; None when it contains no whole number."""
    if exchange.error or exchange.timed_out or exchange.status not in balance.operation.status:
        return None
    value = field_of(exchange.body, balance.field)
    try:
        whole = int(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return whole if isinstance(value, str) or whole == value else None


def field_of(body: bytes, name: str) -> Any:
    """Return a field of a JSON response, ``a.b`` for a nested one; None when it does not exist."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
