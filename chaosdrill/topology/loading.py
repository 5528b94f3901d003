"""Loading of a topology file into a :class:`Topology`, and selection of a drill's topology."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.bounded_yaml import LONGEST_TEXT
from chaosdrill.errors import BadInput, problem
from chaosdrill.topology.model import (
    Accounts,
    Aws,
    ClientHost,
    ClusterEndpoint,
    CoordinationTable,
    Database,
    Dns,
    Failover,
    Heartbeat,
    LoadBalancer,
    PacketLoss,
    Regions,
    Routing,
    StopFlag,
    Topology,
)
from chaosdrill.topology.problems import problems_of
from chaosdrill.topology.yaml_positions import Document, read_document

VARIABLE = "CHAOSDRILL_TOPOLOGY"
OPERATIONS = ("read", "write", "settled", "balance")  # the heartbeat's requests
_EVERY_OPERATION = {"headers": {}, "status": [200]}
_cache: dict[Path, tuple[tuple[int, int], Topology]] = {}
_lock = threading.Lock()


def load_topology(path: Path | str) -> Topology:
    """Read and validate a topology file.

    :param path: the file, YAML.
    :returns: its contents.
    :raises BadInput: with all problems found: line, key and fix.
    """
    path = Path(path).expanduser().absolute()
    document = _read(path)
    if problems := list(_problems(document)):
        raise BadInput([problem("topology-invalid", f"{path}:{line}: {text}") for line, text in sorted(problems)])
    return _topology(path, document.value)


def _problems(document: Document) -> Iterator[tuple[int, str]]:
    for place, line in document.repeated:
        yield line, f"{place[-1]}: stands here twice: remove one"
    for place, line in document.not_text:
        yield line, f"{place[-1]}: this key is not a text: remove it, or put it in quotes if you mean it"
    for found in problems_of(document.value):
        yield document.line(found.place), f"{found.key}: {found.what}: {found.fix}"


def topology_of(configuration: Mapping[str, Any] | None) -> Topology:
    """Return the topology of a drill: the file named by ``topology`` in the configuration, else by
    ``CHAOSDRILL_TOPOLOGY``.

    The file is read again only when it has changed.

    :raises BadInput: when no file is named, or it is invalid.
    """
    named = (configuration or {}).get("topology") or os.environ.get(VARIABLE)
    if not named:
        why = (
            "no topology is named: write `topology: <path of the file>` under `configuration:` in the experiment, "
            f"or set {VARIABLE}. A drill names it by itself: is the control's module spelt "
            "chaosdrill.controls.drill? Chaos Toolkit skips a control that it cannot import"
        )
        raise BadInput([problem("topology-missing", why)])
    path = Path(str(named)).expanduser().absolute()
    with _lock:
        version = _version(path)
        if path not in _cache or _cache[path][0] != version:
            _cache[path] = (version, load_topology(path))
        return _cache[path][1]


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return (status.st_mtime_ns, status.st_size)


def _unreadable(path: Path, error: OSError) -> BadInput:
    why = f"{path}: the topology cannot be read ({error.strerror}): correct the path, or write the file"
    return BadInput([problem("topology-unreadable", why)])


def _read(path: Path) -> Document:
    try:
        with open(path, encoding="utf-8") as file:
            return read_document(file.read(LONGEST_TEXT + 1))
    except OSError as error:
        raise _unreadable(path, error) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error)
        raise BadInput([problem("topology-invalid", f"{path}{where}: this is not YAML: {what}")]) from error


def _topology(path: Path, raw: dict[str, Any]) -> Topology:
    names = (raw["regions"]["home"], raw["regions"]["standby"])
    routing = raw["routing"]
    return Topology(
        path=path,
        target=raw["target"],
        accounts=tuple(raw["accounts"]),
        regions=Regions(**raw["regions"]),
        domain=raw["domain"].rstrip("."),
        client=_client(raw["client"]),
        load_balancers={name: LoadBalancer(**raw["load_balancers"][name]) for name in names},
        stop_flag=StopFlag(**{**raw["stop_flag"], "tables": _ordered(raw["stop_flag"]["tables"], names)}),
        routing=Routing(
            controls=_ordered(routing["controls"], names),
            cluster_endpoints=tuple(ClusterEndpoint(**endpoint) for endpoint in routing["cluster_endpoints"]),
        ),
        database=Database(**{**raw["database"], "clusters": _ordered(raw["database"]["clusters"], names)}),
        failover=Failover(**raw["failover"]),
        aws=_aws(path, raw.get("aws", {})),
        dns=Dns(**raw["dns"]) if "dns" in raw else None,
        packet_loss=PacketLoss(**raw.get("packet_loss", {})),
        heartbeat=_heartbeat(raw["heartbeat"], raw["client"]) if "heartbeat" in raw else None,
        main_table=raw.get("main_table"),
        coordination=CoordinationTable(**raw["coordination"]) if "coordination" in raw else None,
        time_scale=float(raw.get("time_scale", 1)),
    )


def _client(raw: dict[str, Any]) -> ClientHost:
    return ClientHost(**{**raw, "url": raw.get("url", "").rstrip("/")})


def _heartbeat(raw: dict[str, Any], client: dict[str, Any]) -> Heartbeat:
    run = "local" if client.get("run") == "local" else "ssm"
    operations = {name: {**_EVERY_OPERATION, **raw[name]} for name in OPERATIONS if name in raw}
    if "settled" in operations:
        operations["settled"] = {"rolled_back": [], "pending": [], "missing_status": [404], **operations["settled"]}
    accounts = {"accounts": Accounts(**raw["accounts"])} if "accounts" in raw else {}
    return Heartbeat(**{"run": run, **raw, **operations, **accounts})


def _aws(path: Path, raw: dict[str, Any]) -> Aws:
    """Resolve a relative ``config_file`` against the topology's directory."""
    if "config_file" in raw:
        raw = {**raw, "config_file": path.parent / Path(raw["config_file"]).expanduser()}
    return Aws(**raw)


def _ordered(by_region: dict[str, str], names: tuple[str, str]) -> dict[str, str]:
    return {name: by_region[name] for name in names}
