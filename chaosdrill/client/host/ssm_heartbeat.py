"""A heartbeat on the client host that belongs to the drill: brought there, started, called and ended through SSM.

It cannot outlive its drill for long: ``program`` ends it when nobody has called for ``LEASE_S``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.client.heartbeat_process import HeartbeatProcess, record_clock
from chaosdrill.client.host.hosted import OverSsm, Program, run_id, started
from chaosdrill.client.host.packing import heartbeat_zipapp
from chaosdrill.errors import CannotSee

LEASE_S = 900.0


class SsmHeartbeat(HeartbeatProcess):
    """A heartbeat on the client host.

    :param program: what is asked about it there.
    :param host: the client host's instance id.
    :param port: of its page, on 127.0.0.1 there.
    """

    where = "ssm"
    poll_every_s = 1.0

    def __init__(self, program: Program, host: str, port: int, settings: Mapping[str, Any], directory: Path) -> None:
        super().__init__(HeartbeatPage(f"http://{host}:{port}", OverSsm(program, "the heartbeat")), settings, directory)
        self._program, self._port, self._run = program, port, run_id()
        self._sizes: dict[str, int] = {}  # of the files there, when they were asked for last

    def _check(self) -> None:
        if not self._news()["alive"]:
            raise CannotSee("the heartbeat on the client host has ended by itself")

    def _collect(self) -> None:
        self._news()  # both in one command

    def _news(self) -> Mapping[str, Any]:
        offsets = self.kept.sizes()
        answer, sent_ns, came_ns = self._program.timed("news", run=self._run, port=self._port, offsets=offsets)
        self._keep(answer)
        if answer["now_ns"] is not None:
            record_clock(answer["now_ns"], sent_ns, came_ns)
        return answer

    def _keep(self, answer: Mapping[str, Any]) -> None:
        for name, part in answer["files"].items():
            self.kept.append(name, part["text"].encode("latin-1"))
        self._sizes = {name: int(part["size"]) for name, part in answer["files"].items()}

    def _ended(self) -> str:
        answer = self._program.ask("end", run=self._run, offsets=self.kept.sizes())
        self._keep(answer)
        log = str(answer["log"])
        if (drill := history.current()) is not None and log:
            (drill.directory / "heartbeat.log").write_text(log, encoding="utf-8")
        return log

    def _collect_rest(self) -> None:
        while any(self.kept.sizes().get(name, 0) < size for name, size in self._sizes.items()):
            self._news()

    def _clean(self) -> None:
        self._program.ask("clean")


def start_heartbeat_on_host(system: System, settings: Mapping[str, Any], directory: Path) -> SsmHeartbeat:
    """Bring the heartbeat to the client host and start it, unless this run has it there already.

    :param settings: what it sends, as its configuration has it.
    :param directory: where what it records is kept here.
    :raises DrillError: when it cannot run there; nothing runs then.
    """
    program, port = started(system, heartbeat_zipapp(), "a heartbeat", settings, LEASE_S)
    return SsmHeartbeat(program, system.topology.client.instance_id, port, settings, directory)
