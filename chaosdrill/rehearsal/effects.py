"""The effects of a step: what it would touch, what that would break, and what it would cost.

Prices are list prices in US dollars, without the parts of the system that run all the time.

:source: https://aws.amazon.com/fis/pricing/
:source: https://aws.amazon.com/step-functions/pricing/
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System, main_table, stepfunctions
from chaosdrill.client.heartbeat import rates_of
from chaosdrill.client.host import delivery
from chaosdrill.client.host.packing import locust_zipapp
from chaosdrill.packet_loss import sources
from chaosdrill.packet_loss.plan import SETUP_S
from chaosdrill.rehearsal.settlement import settled_before
from chaosdrill.rehearsal.steps import ExperimentActivity

FIS_USD_PER_ACTION_MINUTE = 0.10
TRANSITION_USD = 0.000025
TRANSITIONS = 20  # of one failover: ten states, and some repetitions of the polling states


@dataclass(frozen=True)
class StepEffect:
    """The effect of a step on this system.

    :param usd: what AWS would charge for the step itself.
    """

    touches: str
    breaks: str = ""
    usd: float = 0.0


def effect_of(system: System, step: ExperimentActivity) -> StepEffect | None:
    """Return the effect of a step; None for a step that only reads, or whose effect is unknown here.

    :raises DrillError: when something that it would touch cannot be found.
    """
    known = _EFFECTS.get(step.function)
    return known(system, step.arguments) if known else None


def _load(system: System, given: Mapping[str, Any]) -> StepEffect:
    users, host = given.get("users", 10), given.get("host", "http://api.example.com")
    called = f"Locust: {users} users call {host}"
    if system.topology.client.run == "ssm":
        brought = delivery.in_words(system, locust_zipapp())
        called += f"; a program is sent to the client host {system.topology.client.instance_id}, unless it is there: "
        called += f"{brought}; it stays in the cache of its user"
    return StepEffect(called, "nothing, if the system bears the load")


def _heartbeat(system: System, given: Mapping[str, Any]) -> StepEffect:
    written = system.topology.heartbeat
    if written is None:
        return StepEffect("nothing: the topology has no `heartbeat:`, so the step is refused")
    rates = rates_of(given.get("rate_per_s") or written.rate_per_s)
    touches = f"heartbeat: {rates['rate_per_s']:g}/s {written.read['method']} {written.read['path']}"
    if written.write is None or written.accounts is None:
        return StepEffect(f"{touches}; it writes nothing", "nothing")
    what = f"{written.write['method']} {written.write['path']}"
    accounts = f"{written.accounts.count} accounts {written.accounts.prefix}…"
    burst = rates["burst_per_s"]
    what += f", up to {burst:g}/s for at most 30 s around a transition, as far as they are settled" if burst else ""
    touches += f", {rates['write_rate_per_s']:g}/s {what}"
    breaks = f"nothing, if {accounts} exist for drills only: they are written to"
    return StepEffect(touches, _overload(system, rates["write_rate_per_s"] or 0.0) or breaks)


def _overload(system: System, writes_per_s: float) -> str:
    """Return how the application fails when more is written than it settled in earlier runs; empty when it keeps up."""
    before = settled_before(system.topology)
    if before is None or writes_per_s <= before.capacity_per_s:
        return ""
    busy = writes_per_s / before.capacity_per_s
    return (
        f"the application falls behind: a write takes it about {1 / before.capacity_per_s:.2g} s (as {before.run} "
        f"measured it beside the load), and at {writes_per_s:g}/s it would need {busy:.0%} of the time: users are "
        "refused, and the drill does not begin its method; leave `rate_per_s` out"
    )


def _packet_loss(system: System, given: Mapping[str, Any]) -> StepEffect:
    duration_s = int(given.get("duration_s", 1800))
    named = given.get("sources", "home")
    addresses = sources.written(named)
    if addresses is None:
        addresses = sources.resolved(system, named)
    host = given.get("instance_id") or system.topology.client.instance_id
    lost = f"{given.get('percent', 30)} % of the {given.get('traffic_type', 'ingress')} packets"
    return StepEffect(
        f"FIS experiment {given.get('template', 'exp-packetloss')} on {host}: {lost} with {', '.join(addresses)}",
        f"clients on {host} are slow, and some of their requests fail, until it is healed, {duration_s} s at most",
        math.ceil((duration_s + SETUP_S) / 60) * FIS_USD_PER_ACTION_MINUTE,
    )


def _isolation(system: System, given: Mapping[str, Any]) -> StepEffect:
    region, duration_s = given.get("region", "home"), int(given.get("duration_s", 1200))
    return StepEffect(
        f"FIS experiment {given.get('template', 'exp-region-isolation')}: the subnets of {region} are cut off",
        f"no client reaches application and databases there until the fault is healed, {duration_s} s at most; "
        "Aurora's storage and DynamoDB's global tables go on replicating",
        math.ceil(duration_s / 60) * FIS_USD_PER_ACTION_MINUTE,
    )


def _pause(system: System, given: Mapping[str, Any]) -> StepEffect:
    region, duration_s = given.get("region", "home"), int(given.get("duration_s", 1200))
    table = main_table.table_name(system, given.get("table"))
    return StepEffect(
        f"FIS experiment {given.get('template', 'exp-replication-pause')}: the replication of {table} from and to "
        f"{region} is paused",
        f"writes that one region accepts do not reach the other until it is healed, {duration_s} s at most: what is "
        f"accepted in {region} is missing in the other region, should that take over meanwhile",
        math.ceil(duration_s / 60) * FIS_USD_PER_ACTION_MINUTE,
    )


def _desired_count(system: System, given: Mapping[str, Any]) -> StepEffect:
    what = f"{given.get('service')} of cluster {given.get('cluster')} in {given.get('region', 'home')}"
    return StepEffect(f"ECS service {what}: {given.get('count')} tasks", "0 tasks: no client is served there")


def _rule(system: System, given: Mapping[str, Any]) -> StepEffect:
    return StepEffect(
        f"EventBridge rule {given.get('rule')} is enabled",
        "while it is, alarms start a failover by themselves, also those that this drill does not mean",
    )


def _move(prefix_of: Callable[[System], str], default: str) -> Callable[[System, Mapping[str, Any]], StepEffect]:
    def effect(system: System, given: Mapping[str, Any]) -> StepEffect:
        region = given.get("region", default)
        named = given.get("state_machine") or given.get("state_machine_prefix") or prefix_of(system)
        machine = stepfunctions.machine_arn(system, named)
        return StepEffect(
            f"execution of {machine}: both stop flags, both routing controls, and the writer of "
            f"{system.topology.database.global_cluster} move to {region}",
            "every request is refused from the moment the application is closed until it is open in the other region: "
            "10 s for the flag and the switchover of the database; clients with the old DNS answer longer",
            TRANSITIONS * TRANSITION_USD,
        )

    return effect


def _flag(system: System, given: Mapping[str, Any]) -> StepEffect:
    return StepEffect(
        f"stop flag of {given.get('region')} becomes {given.get('value')}",
        "TRUE: the application there refuses requests; FALSE in both regions: both accept writes",
    )


def _routing(system: System, given: Mapping[str, Any]) -> StepEffect:
    return StepEffect(
        f"routing controls: only {given.get('region')} On", "clients are sent to that region as DNS expires"
    )


def _database(system: System, given: Mapping[str, Any]) -> StepEffect:
    return StepEffect(
        f"writer of {system.topology.database.global_cluster} becomes {given.get('region')}",
        "no write succeeds while it moves",
    )


def _database_with_loss(system: System, given: Mapping[str, Any]) -> StepEffect:
    moved = _database(system, given)
    return StepEffect(moved.touches, "writes that were not replicated yet ARE LOST; the old cluster must be rejoined")


_EFFECTS: Mapping[str, Callable[[System, Mapping[str, Any]], StepEffect]] = {
    "chaosdrill.load.actions.start_load": _load,
    "chaosdrill.heartbeat.actions.start_heartbeat": _heartbeat,
    "chaosdrill.packet_loss.actions.inject_packet_loss": _packet_loss,
    "chaosdrill.packet_loss.actions.isolate_region": _isolation,
    "chaosdrill.packet_loss.actions.pause_replication": _pause,
    "chaosdrill.service.actions.set_desired_count": _desired_count,
    "chaosdrill.automatic_failover.actions.enable_automatic_failover": _rule,
    "chaosdrill.failover.actions.fail_over": _move(lambda system: system.topology.failover.failover_prefix, "standby"),
    "chaosdrill.failover.actions.fail_back": _move(lambda system: system.topology.failover.failback_prefix, "home"),
    "chaosdrill.stop_flag.actions.set_stop_flag": _flag,
    "chaosdrill.routing.actions.set_routing": _routing,
    "chaosdrill.database.actions.switch_over_database": _database,
    "chaosdrill.database.actions.fail_over_database": _database_with_loss,
}
