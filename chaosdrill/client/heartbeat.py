"""The heartbeat of a drill, started where the topology says.

``heartbeat: {run: ssm}`` runs it on the client host, ``heartbeat: {run: local}`` on this machine. No other module
depends on which.
"""

import logging
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill import history
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.heartbeat_process import HeartbeatProcess
from chaosdrill.client.heartbeat_records import BEATS, RECORDS
from chaosdrill.client.heartbeat_secrets import separated
from chaosdrill.client.host.ssm_heartbeat import SsmHeartbeat, find_heartbeat_on_host, start_heartbeat_on_host
from chaosdrill.client.local_heartbeat import LocalHeartbeat
from chaosdrill.errors import CannotSee, Refused
from chaosdrill.messages import sentence
from chaosdrill.topology import Heartbeat, Topology, topology_of

logger = logging.getLogger("chaostoolkit")

LONGEST_S = 6 * 3600.0  # longest drill: after it the heartbeat ends by itself, even if it is still polled
READS_PER_S, WRITES_PER_S = 20.0, 2.0  # a worker that settles one write after the other must keep up
BURST_PER_S = 20.0  # writes around a transition; fewer when the application settles fewer
GIVE_UP_S = 5.0  # shortest timeout of a beat

ANY_HOST = ChosenHost()
HERE = "the heartbeat runs on this machine"

Configuration = Mapping[str, Any] | None
Secrets = Mapping[str, Any] | None

_own: dict[Path, HeartbeatProcess] = {}  # by topology
_lock = threading.RLock()


class NoHeartbeat(CannotSee):
    """The heartbeat was not started, or has been ended."""


def open_heartbeat(
    configuration: Configuration,
    secrets: Secrets,
    rate_per_s: float | None = None,
    deadline_s: float | None = None,
    host: str | None = None,
    client_host: ChosenHost = ANY_HOST,
) -> tuple[HeartbeatProcess, bool]:
    """Return the drill's heartbeat, and whether this call started it: one that runs with the same settings is reused.

    :param host: base URL that it calls.
    :param client_host: the client host on which it is started.
    :raises BadInput: when a client host was named, and the heartbeat runs on this machine.
    :raises Refused: when the topology configures no heartbeat, or one with other settings is running.
    :raises DrillError: when it cannot run.
    """
    topology = topology_of(configuration)
    settings, hidden = separated(settings_of(topology, rate_per_s, deadline_s, host), secrets)
    if local := topology.heartbeat is not None and topology.heartbeat.run == "local":
        client_host.refuse(HERE)
    with _lock:
        there = _own.get(topology.path)
        if there is not None and not there.ended:
            _refuse_another(there, client_host, configuration, secrets)
            if there.settings == settings:
                return there, False
            text = "a heartbeat with other settings goes on: stop_heartbeat ends it"
            raise Refused(text, code="heartbeat-settings-differ")
        directory = _directory()
        if local:
            _own[topology.path] = LocalHeartbeat(settings, directory, hidden)
        else:
            system = client_host.system(configuration, secrets)
            _own[topology.path] = start_heartbeat_on_host(system, settings, directory, hidden)
        return _own[topology.path], True


def the_heartbeat(configuration: Configuration) -> HeartbeatProcess:
    """Return the drill's heartbeat.

    :raises NoHeartbeat: when it was not started, or has been ended.
    """
    there = _own.get(topology_of(configuration).path)
    if there is None or there.ended:
        raise NoHeartbeat("no heartbeat runs: start_heartbeat starts it", code="heartbeat-not-started")
    return there


def _refuse_another(
    there: HeartbeatProcess, client_host: ChosenHost, configuration: Configuration, secrets: Secrets
) -> None:
    if isinstance(there, SsmHeartbeat) and client_host.named:
        client_host.refuse_another("the heartbeat", there.host, client_host.system(configuration, secrets))


def heartbeat_to_stop(
    configuration: Configuration, secrets: Secrets, client_host: ChosenHost = ANY_HOST
) -> HeartbeatProcess:
    """Return the drill's heartbeat, including one on the client host whose start was not confirmed.

    :param client_host: the client host on which it must be running, if one was named.
    :raises BadInput: when a client host was named, and the heartbeat runs on this machine.
    :raises Refused: when it is running on another host than the one named.
    :raises NoHeartbeat: as :func:`the_heartbeat`.
    :raises CannotSee: when the host does not respond.
    """
    topology = topology_of(configuration)
    on_host = topology.heartbeat is not None and topology.heartbeat.run == "ssm"
    if not on_host:
        client_host.refuse(HERE)
    with _lock:
        there = _own.get(topology.path)
        if on_host and (there is None or there.settings["run"] != history.run_id()):
            found = find_heartbeat_on_host(client_host.system(configuration, secrets), _directory)
            if found is not None:
                _own[topology.path] = found
        heartbeat = the_heartbeat(configuration)
        _refuse_another(heartbeat, client_host, configuration, secrets)
        return heartbeat


def running_heartbeat(topology: Path) -> HeartbeatProcess | None:
    """Return the running heartbeat that this process started for a topology file; None without one.

    :param topology: path of the topology file.
    """
    there = _own.get(topology)
    return None if there is None or there.ended else there


class DrillHeartbeat:
    """The drill's heartbeat for a monitor that runs before the heartbeat is started and after it has been stopped."""

    def __init__(self, configuration: Configuration) -> None:
        self._path = topology_of(configuration).path  # read once: the file may be gone at the end of a drill

    def find(self) -> HeartbeatProcess | None:
        """Return the heartbeat while it runs; None otherwise."""
        return running_heartbeat(self._path)

    def end(self) -> None:
        """End the heartbeat and collect its records, unless a step has done so. A failure is logged, not raised."""
        if (there := self.find()) is not None:
            try:
                there.end()
            except FAILURES as error:
                logger.error(f"The drill ends, and {error}")
                there.give_up(str(error))


def settings_of(
    topology: Topology, rate_per_s: float | None = None, deadline_s: float | None = None, host: str | None = None
) -> dict[str, Any]:
    """Return the settings of a heartbeat, except where its files and its page are.

    :raises Refused: when the topology does not say what to send.
    """
    written = topology.heartbeat
    if written is None:
        raise Refused(nothing_to_send(topology), code="heartbeat-not-configured")
    deadline = written.deadline_s if deadline_s is None else deadline_s
    dns = topology.dns if written.run == "local" and topology.dns and topology.dns.nameserver else None
    return {
        "run": history.run_id(),
        "url": host or f"http://{topology.domain}",
        "nameserver": None if dns is None else f"{dns.nameserver}:{dns.port}",
        "deadline_s": float(deadline),
        "timeout_s": float(max(GIVE_UP_S, deadline)),
        **rates_of(written.rate_per_s if rate_per_s is None else rate_per_s),
        "region_header": written.region_header,
        "max_s": LONGEST_S,
        "read": written.read,
        **_writing(written),
    }


def rates_of(given_per_s: float | None) -> dict[str, float | None]:
    """Return the rates of reads and writes. A given rate applies to both, at all times."""
    if given_per_s is not None:
        return {"rate_per_s": float(given_per_s), "write_rate_per_s": float(given_per_s), "burst_per_s": None}
    return {"rate_per_s": READS_PER_S, "write_rate_per_s": WRITES_PER_S, "burst_per_s": BURST_PER_S}


def nothing_to_send(topology: Topology) -> str:
    """Return what to do about a topology without ``heartbeat:``; empty when it has one."""
    if topology.heartbeat is not None:
        return ""
    return (
        f"the topology {topology.path} does not say what a heartbeat sends: add a section `heartbeat:` with at "
        "least `read: {method: GET, path: ...}` (`chaosdrill init` writes one for the reference application, as a "
        "comment), or leave start_heartbeat out: recovery time and lost writes are not measured then"
    )


def why_no_writes(topology: Topology) -> str:
    """Return why a heartbeat only reads; empty when it writes."""
    heartbeat = topology.heartbeat
    if heartbeat is not None and heartbeat.write is not None and heartbeat.accounts is not None:
        return ""
    return sentence("the topology's `heartbeat:` names no synthetic `accounts:` to `write:` to: it only reads")


def _writing(written: Heartbeat) -> dict[str, Any]:
    accounts = written.accounts
    known = None if accounts is None else {"prefix": accounts.prefix, "count": accounts.count}
    if accounts is None:  # the topology names no accounts that may be written to
        return {"write": None, "settled": None, "balance": None, "accounts": None}
    return {"write": written.write, "settled": written.settled, "balance": written.balance, "accounts": known}


def _directory() -> Path:
    drill = history.current()
    directory = Path(tempfile.mkdtemp(prefix="chaosdrill-")) / RECORDS if drill is None else drill.directory / RECORDS
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / BEATS).exists():
        text = "this drill has had a heartbeat already, and has its records: there is one in a drill"
        raise Refused(text, code="heartbeat-repeated")
    return directory
