"""Follow-up of accepted writes until each is settled or rolled back; only then is its account used again."""

from collections import deque

from chaosdrill.heartbeat.accounts import AccountPool, SyntheticAccount
from chaosdrill.heartbeat.config import Balance, SettlementFields
from chaosdrill.heartbeat.http_client import HttpClient
from chaosdrill.heartbeat.ledger import LedgerFile, LedgerWrite
from chaosdrill.heartbeat.retry_queue import FIRST_PAUSE_S, Questions
from chaosdrill.heartbeat.status_checks import look_at_balance, look_at_write
from chaosdrill.records.ledger import FINAL, START

LEAST_PER_S, PER_WRITE = 50.0, 2.5  # a write that settles within a second is read about twice
AHEAD = 1.25  # start balances are read faster than accounts are used
AT_ONCE = 20
REMEMBERED, FAR_NS = 5000, 2**62


class Settling:
    """Polls accepted writes until they are final.

    :param rate_per_s: of the writes.
    """

    def __init__(
        self,
        client: HttpClient,
        settled: SettlementFields,
        accounts: AccountPool,
        ledger: LedgerFile,
        rate_per_s: float,
    ) -> None:
        self._client = client
        self._settled = settled
        self._accounts = accounts
        self._ledger = ledger
        self._open: dict[int, int] = {}  # when each was accepted, by seq
        self.settled: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        """When each of the last settled writes was accepted, and seen to be settled; ns by the heartbeat's clock."""
        self.questions: Questions[tuple[LedgerWrite, SyntheticAccount]] = Questions(
            self._ask, max(LEAST_PER_S, PER_WRITE * rate_per_s), AT_ONCE
        )

    @property
    def pending(self) -> int:
        """The number of accepted writes that were not observed to be settled or rolled back yet."""
        return self.questions.open

    def oldest_ns(self, since_ns: int = 0) -> int:
        """Return when the oldest unsettled write was accepted, of those accepted since a moment; far in the future
        when there is none.
        """
        return min((at_ns for at_ns in self._open.values() if at_ns >= since_ns), default=FAR_NS)

    def follow(self, write: LedgerWrite, account: SyntheticAccount, accepted_ns: int) -> None:
        """Poll an accepted write until it is settled or rolled back."""
        self._open[write.seq] = accepted_ns
        self.questions.add((write, account), FIRST_PAUSE_S)

    async def _ask(self, followed: tuple[LedgerWrite, SyntheticAccount]) -> bool:
        write, account = followed
        look = await look_at_write(self._client, self._settled, write)
        if look.state not in FINAL:
            return False
        self._ledger.settled(write, look.state, look.region, look.seen_ns)
        self.settled.append((self._open.pop(write.seq), look.seen_ns))
        account.doubtful = False
        self._accounts.give_back(account)
        return True


class StartBalances:
    """Reads the balance of each account before its first write. No beat waits for that: an account whose balance is
    not known by then is taken last, and its start balance is null in the ledger.
    """

    def __init__(
        self, client: HttpClient, balance: Balance, accounts: AccountPool, ledger: LedgerFile, rate_per_s: float
    ) -> None:
        self._client = client
        self._balance = balance
        self._accounts = accounts
        self._ledger = ledger
        self._turn = 0
        self._questions: Questions[SyntheticAccount] = Questions(
            self._ask, max(LEAST_PER_S, AHEAD * rate_per_s), AT_ONCE
        )

    async def run(self) -> None:
        """Read balances until all are known."""
        await self._questions.add_all(self._accounts.all.values())
        await self._questions.run(until_answered=True)

    async def _ask(self, account: SyntheticAccount) -> bool:
        if account.uses:
            return True
        self._turn += 1
        look = await look_at_balance(self._client, self._balance, account.name, self._turn)
        if account.uses:  # it was written to meanwhile
            return True
        if look.balance is None:
            return False
        self._ledger.balance(START, account.name, look.balance, look.region, look.seen_ns)
        self._accounts.start_is_known(account)
        return True
