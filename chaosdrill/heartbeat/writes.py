"""Writes, each sent to an account without an open one, and the outcome of each by its response."""

import asyncio

from chaosdrill.heartbeat.accounts import AccountPool, SyntheticAccount
from chaosdrill.heartbeat.burst import Burst
from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.config import Config
from chaosdrill.heartbeat.http_client import GIVEN_UP, NOT_SENT, Exchange, HttpClient
from chaosdrill.heartbeat.ledger import LedgerFile, LedgerWrite
from chaosdrill.heartbeat.operation import Operation
from chaosdrill.heartbeat.settlement import Settling
from chaosdrill.heartbeat.status_checks import field_of
from chaosdrill.records.ledger import ACCEPTED, REFUSED, START, UNKNOWN

LONGEST_ID = 256
# responses without any effect; the effect of a request that ended with another 5xx is unknown
_REFUSED_AS_A_WHOLE = (501, 503, 505)


class Writing:
    """The write operation."""

    def __init__(
        self,
        config: Config,
        operation: Operation,
        client: HttpClient,
        accounts: AccountPool,
        ledger: LedgerFile,
        settling: Settling | None,
        clock: SteadyClock,
        burst: Burst | None = None,
    ) -> None:
        self._operation = operation
        self._id_field = config.write_id
        self._counts = config.balance is not None
        self._client = client
        self._accounts = accounts
        self._ledger = ledger
        self._settling = settling
        self._clock = clock
        self._burst = burst
        self.without_account = 0

    async def send(self, seq: int, due_ns: int) -> Exchange:
        """Send one write."""
        account = self._accounts.take()
        if account is None:
            self.without_account += 1
            return Exchange(self._clock.now_ns(), error=NOT_SENT)
        if self._counts and not account.uses and not account.start_read:
            self._ledger.balance(START, account.name, None, "", self._clock.now_ns())
        write = self._ledger.begin(seq, account.name, account.uses, due_ns)
        account.uses += 1
        request = self._operation.request(self._client.target, account.name, quantity=write.quantity)
        try:
            exchange = await self._client.exchange(request, seq)
        except asyncio.CancelledError:
            write.outcome = UNKNOWN
            self._ledger.ended(write, self._clock.now_ns(), error=GIVEN_UP)
            raise
        self._ended(write, account, exchange)
        return exchange

    def _ended(self, write: LedgerWrite, account: SyntheticAccount, exchange: Exchange) -> None:
        write.outcome, write.id = outcome_of(exchange, self._operation, self._id_field)
        error = exchange.error or ("no-id" if self._promised(exchange) and write.outcome == UNKNOWN else "")
        self._ledger.ended(write, exchange.ended_ns, exchange.status, exchange.region, error, exchange.address)
        if write.outcome == ACCEPTED and self._burst is not None:
            self._burst.accepted(exchange.ended_ns)
        if write.outcome == ACCEPTED and self._settling is not None and write.id:
            self._settling.follow(write, account, exchange.ended_ns)
            return
        # it may have a pending write that cannot be read
        account.doubtful |= write.outcome == UNKNOWN or 400 <= exchange.status < 500
        self._accounts.give_back(account)

    def _promised(self, exchange: Exchange) -> bool:
        return exchange.status in self._operation.status


def outcome_of(exchange: Exchange, operation: Operation, id_field: str) -> tuple[str, str | None]:
    """Return accepted, refused or unknown, and the write's id.

    A write is refused only when it cannot have taken effect: nothing was sent, or the response says so.
    """
    if exchange.error or exchange.timed_out:
        return (UNKNOWN if exchange.sent else REFUSED), None
    if exchange.status in operation.status:
        identity = _identity(exchange.body, id_field) if id_field else None
        return (ACCEPTED if identity or not id_field else UNKNOWN), identity
    refused = 300 <= exchange.status < 500 or exchange.status in _REFUSED_AS_A_WHOLE
    return (REFUSED if refused else UNKNOWN), None


def _identity(body: bytes, name: str) -> str | None:
    value = field_of(body, name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if text.isprintable() and 0 < len(text) <= LONGEST_ID else None
