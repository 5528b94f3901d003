"""A heartbeat, assembled from its parts, from the first beat to the last row."""

import asyncio
import logging
import os
import platform
from http import HTTPStatus
from typing import Any

from chaosdrill.heartbeat.accounts import AccountPool
from chaosdrill.heartbeat.background import Background
from chaosdrill.heartbeat.burst import Burst
from chaosdrill.heartbeat.clock import SteadyClock
from chaosdrill.heartbeat.config import FILES, Config
from chaosdrill.heartbeat.http_client import Exchange, HttpClient
from chaosdrill.heartbeat.jsonl import BeatRecorder, JsonLines
from chaosdrill.heartbeat.ledger import BASE, LedgerFile
from chaosdrill.heartbeat.prober import Prober, Send
from chaosdrill.heartbeat.read_back import RUNNING, ReadBackWork
from chaosdrill.heartbeat.resolver import LookupResult, SharedResolver, system_nameservers
from chaosdrill.heartbeat.schedule import NS, BeatSchedule, Pace, Steady, beginnings
from chaosdrill.heartbeat.settlement import Settling, StartBalances
from chaosdrill.heartbeat.settlement_check import SettlementCheck
from chaosdrill.heartbeat.status_server import NotNow
from chaosdrill.heartbeat.writes import Writing
from chaosdrill.secret_text import hide_secrets_in

SOURCE = "heartbeat"
FLUSH_EVERY_S = 0.4  # the documented limit is 0.5
BEGIN_IN_S = 0.5  # the first accounts' balances are read before
LEAST_UNDER_WAY = 20
log = logging.getLogger("chaosdrill.heartbeat")


class HeartbeatSender:
    """Sends beats from :meth:`begin` to :meth:`stop`, and records their outcomes."""

    def __init__(self, config: Config) -> None:
        self.clock = SteadyClock()
        self.read_backs: dict[str, ReadBackWork] = {}
        self._config = config
        self._stopped: asyncio.Task[None] | None = None
        self._ended = False
        self._background = Background()
        began_ns = self.clock.now_ns()
        header = {
            "source": SOURCE,
            "run": config.run,
            "host": platform.node(),
            "pid": os.getpid(),
            "started_ns": began_ns,
        }
        self._beats = BeatRecorder(config.directory / FILES[0], header | _measured(config))
        self._client = self._make_client()
        self._pace: Pace | None = None
        self._burst: Burst | None = None
        self._check: SettlementCheck | None = None
        begin_ns = self.clock.now_ns() + round(BEGIN_IN_S * 1e9)
        self._begins_ns = beginnings(begin_ns, config.rate_per_s, len(config.operations))
        self._writing: Writing | None = None
        self._settling: Settling | None = None
        self._ledger: LedgerFile | None = None
        sends: list[Send] = [self._read]
        if config.write is not None:
            self._ledger = LedgerFile(config.directory / FILES[1], header | _promised(config))
            sends.append(self._make_writing(self._ledger).send)
        self._probers = self._make_probers(sends)

    def _make_client(self) -> HttpClient:
        config = self._config
        servers = system_nameservers() if config.nameserver is None else [config.nameserver]
        resolver = SharedResolver(config.target.host, servers, config.timeout_s, self.clock, self._looked_up)
        return HttpClient(config.target, resolver, config.timeout_s, config.region_header, self.clock)

    def _make_writing(self, ledger: LedgerFile) -> Writing:
        config = self._config
        assert config.write is not None
        self._accounts = AccountPool(config.accounts)
        if config.settled is not None:
            self._settling = Settling(self._client, config.settled, self._accounts, ledger, config.most_writes_per_s)
        if config.burst_per_s is not None:
            self._pace = Pace(self._begins_ns[1], config.write_rate_per_s)
            self._burst = Burst(self._pace, config.burst_per_s, self.clock)
        parts = (self._accounts, ledger, self._settling, self.clock, self._burst)
        self._writing = Writing(config, config.write, self._client, *parts)
        return self._writing

    def _make_probers(self, sends: list[Send]) -> list[Prober]:
        config = self._config
        write = self._pace or Steady(self._begins_ns[-1], config.write_rate_per_s)
        grids: list[BeatSchedule] = [Steady(self._begins_ns[0], config.rate_per_s), write]
        rates = (config.rate_per_s, config.most_writes_per_s)
        return [
            Prober(index, grid, operation.status, self._most_under_way(rate), send, self._beats, self.clock)
            for index, (grid, rate, operation, send) in enumerate(
                zip(grids, rates, config.operations, sends, strict=False)  # without writes there is one operation
            )
        ]

    def _most_under_way(self, rate_per_s: float) -> int:
        return max(LEAST_UNDER_WAY, round(2 * rate_per_s * self._config.timeout_s))

    def begin(self) -> None:
        """Start sending beats."""
        self._background.start(self._flush_forever())
        config = self._config
        if self._ledger is not None and config.balance is not None:
            rate_per_s = config.most_writes_per_s
            starts = StartBalances(self._client, config.balance, self._accounts, self._ledger, rate_per_s)
            self._background.start(starts.run(), until_stop=True)
        if self._settling is not None:
            self._background.start(self._settling.questions.run(), until_stop=True)
        for prober in self._probers:
            prober.begin()

    async def stop(self, within_s: float | None = None) -> None:
        """Stop sending, wait for the beats in progress, and write the last rows. A second call waits for the first.

        :param within_s: beats that take longer are given up; default: the timeout of a response.
        """
        if self._stopped is None:
            self._stopped = asyncio.create_task(self._stop(within_s))
        await asyncio.shield(self._stopped)

    async def _stop(self, within_s: float | None) -> None:
        at_ns = self.clock.now_ns()
        for prober in self._probers:
            prober.stop(at_ns)
        await self._background.stop()
        patience_s = self._config.timeout_s + 1 if within_s is None else within_s
        await asyncio.gather(*(prober.finished(patience_s) for prober in self._probers))
        self._beats.watermark(at_ns)
        self._beats.end(self.clock.now_ns(), [prober.due for prober in self._probers])
        if self._ledger is not None:
            self._ledger.end(self.clock.now_ns())
        self._ended = True
        self.flush()

    def begin_read_back(self, label: str, within_s: float) -> ReadBackWork:
        """Return the read-back of that label, which is started if it does not exist.

        :raises NotNow: when it cannot be started.
        """
        if label in self.read_backs:
            return self.read_backs[label]
        if self._ledger is None:
            raise NotNow(HTTPStatus.CONFLICT, "nothing is written, so nothing can be read back: configure `write`")
        if self._stopped is not None:
            raise NotNow(HTTPStatus.CONFLICT, "the heartbeat is stopped: read back before")
        if running := [one.label for one in self.read_backs.values() if one.state == RUNNING]:
            raise NotNow(HTTPStatus.CONFLICT, f"the read-back {running[0]} is in progress: wait until it is done")
        config = self._config
        made = ReadBackWork(
            label,
            within_s,
            config.timeout_s,
            self._client,
            config.settled,
            config.balance,
            self._accounts,
            self._ledger,
            self.clock,
        )
        self.read_backs[label] = made
        self._background.start(self._read_back(made), until_stop=True)
        return made

    def begin_settlement_check(self) -> SettlementCheck:
        """Return the settlement check, which is started if it does not exist.

        :raises NotNow: when the configuration does not say how a write is read back.
        """
        if self._check is None:
            if self._settling is None:
                raise NotNow(HTTPStatus.CONFLICT, "no write is followed until it is settled: configure `settled`")
            raise_for = None if self._burst is None else self._burst.raise_for
            rate_per_s = self._config.write_rate_per_s
            self._check = SettlementCheck(self.clock, self._settling, rate_per_s, raise_for)
            self._background.start(self._check_settlement(self._check), until_stop=True)
        return self._check

    async def _check_settlement(self, begun: SettlementCheck) -> None:
        await begun.run()
        if self._burst is not None:
            self._burst.capacity_per_s = begun.capacity_per_s

    def begin_burst(self) -> float | None:
        """Begin a transition.

        :returns: the rate of the writes now; None: it is constant.
        """
        return None if self._burst is None else self._burst.begin()

    def begin_load(self, seconds: float) -> tuple[float, int]:
        """Send writes for some seconds at the rate of a transition; a constant rate stays as it is.

        :returns: the rate of the writes, and the end of that time in ns on this clock.
        """
        until_ns = self.clock.now_ns() + round(seconds * NS)
        per_s = self._config.write_rate_per_s if self._burst is None else self._burst.raise_for(seconds)
        return per_s, until_ns

    async def _read_back(self, begun: ReadBackWork) -> None:
        await begun.run()
        self.flush()  # flushed before the state is "done", so that readers find all rows in the file

    def files(self) -> dict[str, JsonLines]:
        """Return the files by name."""
        made = [self._beats.file] if self._ledger is None else [self._beats.file, self._ledger.file]
        return {file.path.name: file for file in made}

    def state(self) -> dict[str, Any]:
        """Return the present state as JSON values."""
        operations = self._config.operations
        return {
            "now_ns": self.clock.now_ns(),
            "state": "stopped" if self._ended else "running",
            "source": SOURCE,
            "run": self._config.run,
            "sent": [prober.due for prober in self._probers],
            "outcomes": {one.name: prober.outcomes for one, prober in zip(operations, self._probers, strict=True)},
            "pending_writes": 0 if self._settling is None else self._settling.pending,
            "watermark_ns": self._beats.watermark_ns,
            "operations": [operation.name for operation in operations],
            "files": {name: file.size for name, file in self.files().items()},
            "trouble": "; ".join(self._troubles()),
        }

    def flush(self) -> None:
        """Write all rows so far to the files."""
        if not self._ended:
            complete_ns = min(prober.complete_until_ns() for prober in self._probers)
            self._beats.watermark(min(complete_ns, self.clock.now_ns()))
        for file in self.files().values():
            file.flush()

    async def _flush_forever(self) -> None:
        while True:
            self.flush()
            await asyncio.sleep(FLUSH_EVERY_S)

    async def _read(self, seq: int, due_ns: int) -> Exchange:
        accounts = self._config.accounts
        account = accounts[seq % len(accounts)] if accounts else ""
        return await self._client.exchange(self._config.read.request(self._client.target, account), seq)

    def _looked_up(self, found: LookupResult) -> None:
        self._beats.lookup(found.at_ns, found.addresses, found.ttl_s, found.error)

    def _troubles(self) -> list[str]:
        found = [file.trouble for file in self.files().values()] + [self._background.trouble]
        found += [prober.trouble for prober in self._probers]
        if not_sent := sum(prober.not_sent for prober in self._probers):
            found.append(f"{not_sent} beats were not sent: too many were under way, or this host has no sockets left")
        if self._writing is not None and (missing := self._writing.without_account):
            found.append(f"{missing} of them were writes without an account that was free: give it more accounts")
        return [one for one in found if one]


def _measured(config: Config) -> dict[str, Any]:
    operations = [
        {"name": one.name, "rate_per_s": rate_per_s, "method": one.method, "path": hide_secrets_in(one.path)}
        for one, rate_per_s in zip(config.operations, (config.rate_per_s, config.write_rate_per_s), strict=False)
    ]
    return {"deadline_s": config.deadline_s, "timeout_s": config.timeout_s, "operations": operations}


def _promised(config: Config) -> dict[str, Any]:
    counts = config.balance is not None and config.write is not None and "quantity" in config.write.words
    return {
        "base": BASE,
        "reads_back": config.settled is not None,
        "counts_executions": counts,
        "accounts": len(config.accounts),
    }
