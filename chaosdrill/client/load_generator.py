"""The load generator of a drill, running where the topology says.

``client: {url: ...}`` attaches to a running Locust, standalone or the master of workers. ``client: {run: local}`` makes
``start_load`` start one on this machine and ``stop_load`` end it, and ``client: {run: ssm}`` does so on the client
host. A new place to run it is added in this module alone.
"""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.ambiguous_result import FAILURES
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.host.ssm_locust import SsmLocust, find_on_host, start_on_host
from chaosdrill.client.local_locust import LocalLocust
from chaosdrill.client.locust_page import credentials_of, problems_of_url
from chaosdrill.client.locust_rest import HOW_TO_START, WATERMARK_LATE_S, LoadGenerator, patiently, wait_for
from chaosdrill.client.plugin_responses import LoadState, LoadWindow, RequestSelection, TimelinePart
from chaosdrill.errors import BadInput, CannotSee, Refused
from chaosdrill.topology import Topology, topology_of

__all__ = [
    "HOW_TO_START",
    "WATERMARK_LATE_S",
    "DrillLoad",
    "LoadGenerator",
    "LoadState",
    "LoadWindow",
    "NoLoadGenerator",
    "RequestSelection",
    "TimelinePart",
    "end_load_generator",
    "load_generator",
    "open_load_generator",
    "patiently",
    "wait_for",
]

logger = logging.getLogger("chaostoolkit")

Configuration = Mapping[str, Any] | None
Secrets = Mapping[str, Any] | None

ANY_HOST = ChosenHost()
ATTACHED, HERE = "load comes from a Locust that is attached to", "Locust runs on this machine"

_own: dict[Path, LocalLocust | SsmLocust] = {}  # by topology; an ended one stays for its last counts
_lock = threading.RLock()


class NoLoadGenerator(CannotSee):
    """The drill's own Locust was not started, or has been ended."""


def load_generator(configuration: Configuration, secrets: Secrets = None, host: ChosenHost = ANY_HOST) -> LoadGenerator:
    """Return the load generator that the configuration (``load_generator_url``) or else the topology names.

    :param host: the client host on which it must be running, if one was named.
    :raises BadInput: when a host was named, and the drill starts no Locust on a client host.
    :raises Refused: when it is running on another host than the one named.
    :raises NoLoadGenerator: when it is the drill's own, and none is running.
    :raises CannotSee: when it is the drill's own and has died.
    """
    if (path := _own_by(configuration)) is None:
        host.refuse(ATTACHED)
        return _attached(configuration, secrets)
    run = topology_of(configuration).client.run
    if run == "local":
        host.refuse(HERE)
    with _lock:
        locust = _own.get(path)
        gone = locust is None or locust.last is not None
        if gone and run == "ssm" and (found := find_on_host(host.system(configuration, secrets))):
            locust = _own[path] = found  # another process of this drill started it, or its start was not confirmed
    if locust is None or locust.last is not None:
        text = f"no Locust runs: the topology says `client: {{run: {run}}}`, so start_load starts it"
        raise NoLoadGenerator(text, code="locust-not-started")
    if isinstance(locust, SsmLocust):
        host.refuse_another("the Locust", locust.host, host.system(configuration, secrets))
    locust.check()
    return locust.generator()


def _attached(configuration: Configuration, secrets: Secrets) -> LoadGenerator:
    url = str((configuration or {}).get("load_generator_url") or topology_of(configuration).client.url)
    if problems := problems_of_url(url):
        raise BadInput(problems)
    return LoadGenerator(url, credentials_of(secrets))


def _own_by(configuration: Configuration) -> Path | None:
    """Return the key of the drill's own Locust, the path of its topology; None when the Locust is attached to."""
    if (configuration or {}).get("load_generator_url"):
        return None
    topology = topology_of(configuration)
    return None if topology.client.run == "attach" else topology.path


def open_load_generator(
    configuration: Configuration, secrets: Secrets, locustfile: str, within_s: float, host: ChosenHost = ANY_HOST
) -> LoadGenerator:
    """Return the load generator for a test with a load script. The drill's own Locust is started unless it already runs
    that script on that host.

    :param locustfile: path of the script; empty: the running one, or the reference application's for the drill's own
        Locust.
    :param within_s: how long the drill's own Locust may take to respond after its start, in seconds.
    :param host: the client host on which it is started.
    :raises BadInput: when a host was named, and the drill starts no Locust on a client host.
    :raises Refused: when an attached Locust runs another script, or the client host cannot run Locust.
    :raises DrillError: when the drill's own Locust cannot run it.
    """
    if (path := _own_by(configuration)) is None:
        host.refuse(ATTACHED)
        generator = _attached(configuration, secrets)
        _refuse_other_script(generator, locustfile)
        return generator
    wanted, system, topology = Path(locustfile) if locustfile else None, None, topology_of(configuration)
    if topology.client.run == "ssm":
        system = host.system(configuration, secrets)
    else:
        host.refuse(HERE)
    with _lock:
        locust = _own.get(path)
        if locust is None or _must_be_another(locust, wanted, system):
            _end(path)
            locust = _started(topology, system, wanted)
            locust.wait_until_it_answers(within_s)
            _own[path] = locust
        return locust.generator()


def _started(topology: Topology, system: System | None, wanted: Path | None) -> LocalLocust | SsmLocust:
    return LocalLocust(wanted, topology.region_header) if system is None else start_on_host(system, wanted)


def _must_be_another(locust: LocalLocust | SsmLocust, wanted: Path | None, system: System | None) -> bool:
    if isinstance(locust, SsmLocust) and (system is None or locust.host != system.topology.client):
        return True
    other_script = wanted is not None and not locust.has_script(wanted)
    return locust.last is not None or other_script or not locust.runs()


def end_load_generator(configuration: Configuration) -> bool:
    """End the drill's own Locust; an attached one is left alone.

    :returns: whether one was ended.
    """
    return _end(_own_by(configuration))


def _end(path: Path | None) -> bool:
    with _lock:
        locust = _own.get(path) if path is not None else None
        if locust is None or locust.last is not None:
            return False
        locust.end()
        return True


class DrillLoad:
    """The drill's load generator for a monitor that runs before the load is started and after it has been stopped.

    The topology is read once: its file may be gone at the end of a drill.

    :param records: the local directory in which an attached Locust records its rows, when the target was started on
        this machine; None: the rows are read over its page.
    """

    def __init__(self, configuration: Configuration, secrets: Secrets, records: Path | None = None) -> None:
        self._path = _own_by(configuration)
        self._locust: LocalLocust | SsmLocust | None = None
        self._known = None if self._path is not None else _attached(configuration, secrets)
        if self._known is not None:
            self._known.records_directory = records

    def find(self) -> LoadGenerator | None:
        """Return the load generator, the same object until another one is started; None while there is none."""
        locust = _own.get(self._path) if self._path is not None else None
        if locust is not None and locust is not self._locust:
            self._locust, self._known = locust, locust.generator()
        return self._known

    def end(self) -> None:
        """End the drill's own Locust, unless a step has ended it. A failure is logged, not raised."""
        try:
            _end(self._path)
        except FAILURES as error:
            logger.error(f"The drill ends, and {error}")


def _refuse_other_script(generator: LoadGenerator, locustfile: str) -> None:
    running = generator.state().locustfiles
    wanted = str(Path(locustfile).resolve()) if locustfile else ""
    if wanted and wanted not in running:
        raise Refused(
            f"the Locust at {generator.url} runs {', '.join(running) or 'no script'}, not {wanted}: "
            f"end it and {HOW_TO_START}; "
            "a lab of your own: `chaosdrill lab down`, then run the drill again",
            code="load-script-differs",
        )
