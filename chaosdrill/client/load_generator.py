"""The load generator of a drill: the one place that knows where Locust runs.

The topology says it: ``client: {url: ...}`` attaches to a Locust that runs already, alone or as the master of
workers; ``client: {run: local}`` makes ``start_load`` start one on this machine and ``stop_load`` end it, and
``client: {run: ssm}`` on the client host.
Whoever adds another way adds it here; everybody else just asks for the load generator.
"""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosdrill.aws import System
from chaosdrill.aws.doubt import FAILURES
from chaosdrill.client.chosen_host import ChosenHost
from chaosdrill.client.host.ssm_locust import SsmLocust, find_on_host, start_on_host
from chaosdrill.client.load_seen import Asked, LoadState, TimelinePart, Window
from chaosdrill.client.local_locust import LocalLocust
from chaosdrill.client.locust_page import credentials_of, problems_of_url
from chaosdrill.client.locust_rest import HOW_TO_START, WATERMARK_LATE_S, LoadGenerator, patiently, wait_for
from chaosdrill.errors import BadInput, CannotSee, Refused
from chaosdrill.topology import Topology, topology_of

__all__ = [
    "HOW_TO_START",
    "WATERMARK_LATE_S",
    "Asked",
    "DrillLoad",
    "LoadGenerator",
    "LoadState",
    "NoLoadGenerator",
    "TimelinePart",
    "Window",
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

_own: dict[Path, LocalLocust | SsmLocust] = {}  # by topology; an ended one stays for its last words
_lock = threading.RLock()


class NoLoadGenerator(CannotSee):
    """The drill's own Locust was not started, or was ended."""


def load_generator(configuration: Configuration, secrets: Secrets = None, host: ChosenHost = ANY_HOST) -> LoadGenerator:
    """:returns: the load generator that the configuration (``load_generator_url``) or else the topology names.

    :param host: the client host that it must be on, where one was named.
    :raises BadInput: when a host was named, and it is none that the drill starts on one.
    :raises Refused: when it is on another host than was named.
    :raises NoLoadGenerator: when it is the drill's own, and none runs.
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
            locust = _own[path] = found  # another process of this drill has started it, or nobody heard that it was
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
    """What the drill's own Locust is known by: the topology that asks for it; None when one is attached to."""
    if (configuration or {}).get("load_generator_url"):
        return None
    topology = topology_of(configuration)
    return None if topology.client.run == "attach" else topology.path


def open_load_generator(
    configuration: Configuration, secrets: Secrets, locustfile: str, within_s: float, host: ChosenHost = ANY_HOST
) -> LoadGenerator:
    """The load generator for a test with a load script; the drill's own is started unless it runs that script there
    already.

    :param locustfile: path of the script; empty: whichever runs, of the drill's own the reference application's.
    :param within_s: how long the drill's own may take to answer once it is started, in seconds.
    :param host: the client host that it is started on.
    :raises BadInput: when a host was named, and it is none that the drill starts on one.
    :raises Refused: when a Locust that was attached to runs another script, or the client host cannot run one.
    :raises DrillError: when the drill's own cannot run it.
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
    """End the drill's own Locust; one that was attached to is let be.

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
    """The load generator, for whoever looks all the time: before the load is started, and after it was stopped, too.

    The topology is read once: at the end of a drill its file may be gone.

    :param records: the directory of this machine in which a Locust that is attached to keeps its rows, where the target
        was started here; None: they are read over its page only.
    """

    def __init__(self, configuration: Configuration, secrets: Secrets, records: Path | None = None) -> None:
        self._path = _own_by(configuration)
        self._locust: LocalLocust | SsmLocust | None = None
        self._known = None if self._path is not None else _attached(configuration, secrets)
        if self._known is not None:
            self._known.records_directory = records

    def find(self) -> LoadGenerator | None:
        """:returns: the load generator, the same one as before unless another was started; None while there is none."""
        locust = _own.get(self._path) if self._path is not None else None
        if locust is not None and locust is not self._locust:
            self._locust, self._known = locust, locust.generator()
        return self._known

    def end(self) -> None:
        """End the drill's own Locust, when no step has ended it. A failure is told, not raised."""
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
