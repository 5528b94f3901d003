"""A heartbeat on the client host that belongs to the drill: delivered, started, called and ended through SSM.

If the drill dies, ``program`` ends it after ``LEASE_S`` without a call.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.client.heartbeat_process import HeartbeatProcess, record_clock
from chaosdrill.client.heartbeat_secrets import problems_of_way
from chaosdrill.client.host.packing import HEARTBEAT, heartbeat_zipapp
from chaosdrill.client.host.pythons import find_python
from chaosdrill.client.host.remote_program import OverSsm, Program, known_on_host, may_run_on, started
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.history.whole_files import write_whole

LEASE_S = 900.0


class SsmHeartbeat(HeartbeatProcess):
    """A heartbeat on the client host.

    :param program: client of the program there.
    :param port: port of its page, on 127.0.0.1 there.
    """

    where = "ssm"
    poll_every_s = 1.0

    def __init__(
        self, system: System, program: Program, port: int, settings: Mapping[str, Any], directory: Path
    ) -> None:
        self.host = system.topology.client
        """The client host on which it runs."""
        url = f"http://{system.topology.client.instance_id}:{port}"
        super().__init__(HeartbeatPage(url, OverSsm(program, "the heartbeat")), settings, directory)
        self._system, self._program, self._port, self._run = system, program, port, history.run_id()
        self._sizes: dict[str, int] = {}  # size of each file there, in the last response
        self._last: Mapping[str, Any] = {}  # the response to its end

    def _check(self) -> None:
        if not (news := self._news())["alive"]:
            said = news["gone"]
            text = f"the heartbeat on the client host has ended by itself; its log ends with:\n{said}"
            raise CannotSee(text, code="heartbeat-ended")

    def _collect(self) -> None:
        self._news()  # records and clock in one command

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
        with describe_half_done(may_run_on("the heartbeat", self._system, LEASE_S, "stop_heartbeat")):
            answer = self._program.ask("end", run=self._run, offsets=self.kept.sizes())
        self._last = answer
        return str(answer["log"])

    def _collect_rest(self) -> None:
        self._keep(self._last)
        if (drill := history.current()) is not None and (log := str(self._last["log"])):
            write_whole(drill.directory / "heartbeat.log", history.without_secrets(log))
        while any(self.kept.sizes().get(name, 0) < size for name, size in self._sizes.items()):
            self._news()

    def _clean(self) -> None:
        self._program.ask("clean")


def start_heartbeat_on_host(
    system: System, settings: Mapping[str, Any], directory: Path, hidden: Mapping[str, str]
) -> SsmHeartbeat:
    """Deliver the heartbeat to the client host and start it, unless this run has it running there.

    :param settings: what it sends, in the form of its configuration file.
    :param directory: the local directory for its records.
    :param hidden: the secrets whose placeholders are in the settings, by their places.
    :raises DrillError: when it cannot run there; nothing runs then.
    """
    if hidden and (problems := problems_of_way(system.topology, next(iter(hidden)))):
        raise BadInput(problems)
    python = find_python(system, HEARTBEAT)
    program, port = started(system, python, heartbeat_zipapp(), "a heartbeat", settings, LEASE_S, hidden)
    return SsmHeartbeat(system, program, port, settings, directory)


def find_heartbeat_on_host(system: System, directory: Callable[[], Path]) -> SsmHeartbeat | None:
    """Return the heartbeat that this run has on the client host although its start was not confirmed; None without one.

    :param directory: creates the local directory for its records.
    :raises CannotSee: when the host does not respond.
    """
    if (known := known_on_host(system, "heartbeat", "heartbeat", "a heartbeat")) is None:
        return None
    program = Program(system, known["python"], known["app"])
    return SsmHeartbeat(system, program, int(known["port"]), known["given"], directory())
