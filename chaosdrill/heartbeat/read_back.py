"""Read-back of every write by its id, repeated until the stores have converged or the time is over."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chaosdrill.heartbeat import effect_counts
from chaosdrill.heartbeat.accounts import AccountPool
from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.config import Balance, SettlementFields
from chaosdrill.heartbeat.http_client import HttpClient
from chaosdrill.heartbeat.ledger import LedgerFile, LedgerWrite
from chaosdrill.heartbeat.retry_queue import Questions
from chaosdrill.heartbeat.status_checks import StatusCheck, look_at_balance, look_at_write
from chaosdrill.records.ledger import ACCEPTED, FINAL, MISSING, PENDING, UNREADABLE

LEAST_PER_S, MOST_PER_S = 400.0, 1000.0
AT_ONCE = 30
PASSES = 3  # how often every item can be checked within the given time
RUNNING, DONE = "running", "done"


@dataclass(slots=True)
class ObservedState:
    """The results so far for a write, or for an account.

    :param told: the result of the last read; ``before``: of the one before it.
    """

    look: StatusCheck
    told: Any = None
    before: Any = None
    looks: int = 0
    final: bool = False


class ReadBackWork:
    """One read-back.

    Writes are read until they are settled or rolled back: stores converge late, so a write is ``missing`` only if it
    still is at the end. A balance is read until it agrees with the states of its account's writes; one that shows too
    high an effect count is accepted when two reads show it.

    :param timeout_s: writes that were due within that time before now may still be in progress, and are left out.
    """

    def __init__(
        self,
        label: str,
        within_s: float,
        timeout_s: float,
        client: HttpClient,
        settled: SettlementFields | None,
        balance: Balance | None,
        accounts: AccountPool,
        ledger: LedgerFile,
        clock: SteadyClock,
    ) -> None:
        self.label = label
        self.state = RUNNING
        self.converged = False
        self.why = ""
        self._within_s = within_s
        self._client = client
        self._settled = settled
        self._balance = balance
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        self._timeout_s = timeout_s
        self._by_account: dict[str, list[LedgerWrite]] = {}
        self._accepted: list[LedgerWrite] = []
        self._writes: dict[int, ObservedState] = {}
        self._balances: dict[str, ObservedState] = {}
        self._turn = 0

    async def run(self) -> None:
        """Read back, and record the results."""
        begun_ns = self._clock.now_ns()
        until_ns = begun_ns - round(self._timeout_s * 1e9)
        self._ledger.read_back_begun(self.label, begun_ns, until_ns)
        why = ""
        try:
            async with asyncio.timeout(self._within_s):
                await self._collect(until_ns)
                await self._ask_all()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            why = "the heartbeat was stopped"
            raise
        finally:
            self._write_down(why)

    def summary(self) -> dict[str, Any]:
        """Return the present state; with the ids when it is done."""
        known = {"label": self.label, "state": self.state, "converged": self.converged, "why": self.why}
        if self.state == RUNNING:
            return {**known, "read_back": len(self._writes), "of": len(self._accepted)}
        by_state = {state: self._ids(state) for state in (MISSING, PENDING, UNREADABLE)}
        return {
            **known,
            "read_back": len(self._writes),
            "of": len(self._accepted),
            **by_state,
            "missing_by_region": dict(Counter(write.region for write in self._in_state(MISSING))),
            "overcounted": self._over(),
        }

    async def _collect(self, until_ns: int) -> None:
        for number, write in enumerate(list(self._ledger.writes)):
            if write.due_ns < until_ns and write.outcome:
                self._by_account.setdefault(write.account, []).append(write)
                if write.outcome == ACCEPTED and write.id:
                    self._accepted.append(write)
            if number % 1000 == 999:
                await asyncio.sleep(0)  # the beats come first

    async def _ask_all(self) -> None:
        """Read all writes and balances; balances once each write was read once, because they cannot be interpreted
        before.
        """
        everything = len(self._accepted) + len(self._by_account)
        per_s = min(MOST_PER_S, max(LEAST_PER_S, PASSES * everything / self._within_s))
        async with asyncio.TaskGroup() as asking:
            if self._settled is not None:
                writes: Questions[LedgerWrite] = Questions(self._ask_write, per_s, AT_ONCE)
                await writes.add_all(self._accepted)
                asking.create_task(writes.run(until_answered=True))
                while len(self._writes) < len(self._accepted):
                    await asyncio.sleep(0.05)
            if self._balance is not None:
                balances: Questions[str] = Questions(self._ask_balance, per_s, AT_ONCE)
                await balances.add_all(self._by_account)
                asking.create_task(balances.run(until_answered=True))

    async def _ask_write(self, write: LedgerWrite) -> bool:
        assert self._settled is not None
        look = await look_at_write(self._client, self._settled, write)
        seen = self._writes.setdefault(write.seq, ObservedState(look))
        seen.look, seen.before, seen.told, seen.looks = look, seen.told, look.state, seen.looks + 1
        if look.state in FINAL:
            seen.final = True
            self._ledger.found(self.label, write, look.state, look.region, look.seen_ns)
        return seen.final

    async def _ask_balance(self, account: str) -> bool:
        assert self._balance is not None
        writes = self._by_account[account]
        ready = all(
            self._writes[one.seq].final for one in writes if one.outcome == ACCEPTED and one.seq in self._writes
        )
        self._turn += 1
        look = await look_at_balance(self._client, self._balance, account, self._turn)
        seen = self._balances.setdefault(account, ObservedState(look))
        seen.look, seen.before, seen.looks = look, seen.told, seen.looks + 1
        seen.told = self._executions(account, look)
        seen.final = ready and look.balance is not None and self._is_final(writes, seen)
        return seen.final

    def _executions(self, account: str, look: StatusCheck) -> dict[int, int] | None:
        uses = self._accounts.all[account].uses
        return effect_counts.executions(self._ledger.starts.get(account), look.balance, uses, self._by_account[account])

    def _is_final(self, writes: list[LedgerWrite], seen: ObservedState) -> bool:
        """Return whether a balance is final. A readable balance without an effect count will not get one later."""
        if seen.told is None:
            return True
        states = self._states(writes)
        if effect_counts.too_few(seen.told, writes, states):
            return False
        return not effect_counts.too_many(seen.told, writes, states) or (seen.looks > 1 and seen.told == seen.before)

    def _states(self, writes: list[LedgerWrite]) -> dict[int, str]:
        return {write.seq: self._writes[write.seq].look.state for write in writes if write.seq in self._writes}

    def _write_down(self, why: str) -> None:
        for write in self._accepted if self._settled is not None else ():
            seen = self._writes.setdefault(write.seq, ObservedState(StatusCheck(UNREADABLE, "", self._clock.now_ns())))
            if not seen.final:
                self._ledger.found(self.label, write, seen.look.state, seen.look.region, seen.look.seen_ns)
        for account in self._by_account if self._balance is not None else ():
            seen = self._balances.setdefault(account, ObservedState(StatusCheck(UNREADABLE, "", self._clock.now_ns())))
            look = seen.look
            self._ledger.balance(self.label, account, look.balance, look.region, look.seen_ns)
        self.why = why or self._why_not()
        self.converged = not self.why
        self.state = DONE
        self._ledger.read_back_ended(self.label, self._clock.now_ns(), self.converged, self.why)

    def _why_not(self) -> str:
        """Return what has not converged; empty when everything has."""
        moving = [one for one in self._writes.values() if one.look.state == MISSING and one.before != one.told]
        open_balances = [one for one in self._balances.values() if not one.final]
        blind = sum(one.look.balance is None for one in open_balances)
        counts = {
            "writes pending": len(self._ids(PENDING)),
            "writes unreadable": len(self._ids(UNREADABLE)),
            "writes not seen to be missing twice": len(moving),
            "balances unreadable": blind,
            "balances not read twice alike": sum(one.told != one.before for one in open_balances) - blind,
        }
        found = [f"{count} {what}" for what, count in counts.items() if count > 0]
        return f"after {self._within_s:g} s: {', '.join(found)}" if found else ""

    def _ids(self, state: str) -> list[str]:
        return [write.id or "" for write in self._in_state(state)]

    def _in_state(self, state: str) -> list[LedgerWrite]:
        seen = self._writes
        return [write for write in self._accepted if write.seq in seen and seen[write.seq].look.state == state]

    def _over(self) -> list[dict[str, Any]]:
        found = []
        for account, seen in self._balances.items():
            writes = self._by_account[account]
            for write in (
                effect_counts.too_many(seen.told, writes, self._states(writes)) if seen.told is not None else ()
            ):
                times = seen.told[write.seq]
                found.append({"seq": write.seq, "id": write.id, "account": account, "executions": times})
        return found
