"""Concurrent reads of the facts behind the region state."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, arc, aurora, deadlines, dynamodb, read_coalescing, stepfunctions, system_of
from chaosdrill.aws.read_coalescing import ReadResult, leading
from chaosdrill.client import resolve
from chaosdrill.client.domain import domain_addresses, is_seen_by_clients
from chaosdrill.errors import DrillError
from chaosdrill.region.shared_reading import shared


def read_region_facts(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> dict[str, Any]:
    """Read all facts at the same time. A fact that cannot be read holds its error and does not affect the others.

    :returns: ``flag`` (by region: true is closed), ``routing`` (by region: On or Off), ``writer`` (a region), ``dns``
        (``addresses`` and their ``regions``; ``seen_from: client`` where the client host resolved them), ``running``
        (executions of the failover pair); instead of any of them ``{"error": text}``.
    :raises BadInput: when the topology is invalid.
    """
    facts: dict[str, Any] = read_region(configuration, secrets).value
    return facts


def read_region(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> ReadResult:
    """Return the facts of :func:`read_region_facts`, and when they were read."""
    return read_region_of(system_of(configuration, secrets))


def read_region_of(system: System) -> ReadResult:
    """Read the facts of a system, as :func:`read_region_facts` does."""
    return shared(str(system.topology.path), lambda: _read(system))


def facts_of(region: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of one region: ``region``, ``flag`` (true is closed), ``routing`` (On or Off), ``writer`` and
    ``dns`` (whether each is in the region), ``running``; ``{"error": text}`` for each fact that cannot be read.
    """
    views: dict[str, Callable[[Any], Any]] = {
        "flag": lambda flags: flags[region],
        "routing": lambda states: states[region],
        "writer": lambda writer: writer == region,
        "dns": lambda answer: answer["regions"] == [region],
        "running": lambda executions: executions,
    }
    shown = {name: facts[name] if _unreadable(facts[name]) else view(facts[name]) for name, view in views.items()}
    return {"region": region, **shown}


def _unreadable(fact: Any) -> bool:
    return isinstance(fact, Mapping) and "error" in fact


def _read(system: System) -> dict[str, Any]:
    """Read the running executions first: one that opens a region and ends meanwhile would otherwise appear as a
    closed region without an execution. Read them again if every region is closed and none runs: one may have begun
    meanwhile.
    """
    facts: dict[str, Callable[[System], Any]] = {
        "flag": _flags,
        "routing": arc.routing_states,
        "writer": lambda system: aurora.global_cluster(system).writer,
        "dns": _dns,
    }
    # In threads, which inherit no deadline: several callers share a reading. It has its own end, that of one request.
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(facts), thread_name_prefix="region-facts") as pool:
        running = pool.submit(_readable, _running, system, began_s).result()
        told = dict(zip(facts, pool.map(lambda read: _readable(read, system, began_s), facts.values()), strict=True))
        if running == [] and all(told["flag"].get(region) is True for region in system.topology.region_names):
            running = pool.submit(_readable, _running, system, began_s).result()
    return {**told, "running": running}


def _readable(read: Callable[[System], Any], system: System, began_s: float) -> Any:
    """Read one fact within the shared end of the reading. A later read still has time to connect when an earlier one
    got no response.
    """
    left_s = began_s + deadlines.REQUEST_S - time.monotonic()
    try:
        with leading(), deadlines.ending(left_s), deadlines.by(began_s + deadlines.READ_S):
            return read(system)
    except (DrillError, ClientError, BotoCoreError) as error:
        return {"error": str(error)}


def _running(system: System) -> list[str]:
    """List the running executions. The fact is read each second, and Step Functions is listed every few seconds:
    executions that this process started are known without a list.
    """
    older_s = stepfunctions.LISTS_EVERY_S + read_coalescing.EVERY_S
    return stepfunctions.running(system, stepfunctions.pair(system), older_s)


def _flags(system: System) -> dict[str, bool]:
    return {region: dynamodb.stop_flag(system, region) for region in system.topology.region_names}


def _dns(system: System) -> dict[str, Any]:
    addresses = domain_addresses(system)
    regions = sorted(set(resolve.regions_of(system, addresses).values()))
    by_clients = {"seen_from": "client"} if is_seen_by_clients(system) else {}
    return {"addresses": list(addresses), "regions": regions, **by_clients}
