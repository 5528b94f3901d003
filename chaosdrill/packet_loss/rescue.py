"""Rescue of a drill's faults: reading and ending them.

The tag of a FIS experiment shows whose fault it is. A fault of others counts only where it is on the client host, on a
subnet of the application or on the main table of this system.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chaosdrill.aws import System, fis, main_table
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.polling import poll
from chaosdrill.errors import TimedOut
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.packet_loss import experiments, isolation
from chaosdrill.packet_loss.host import at_host, host_of
from chaosdrill.packet_loss.in_force import loss_rules
from chaosdrill.packet_loss.plan import DOCUMENT
from chaosdrill.parts.interface import HEAL, Fact, UndoStep

PART = "packet_loss"
ENDS_WITHIN_S = 300.0  # the default of heal_packet_loss
_ON_HOST = "inject_packet_loss"


def fault_fact(system: System, run: str, owed: Sequence[OwedUndo]) -> Fact:
    """Read which faults are in force, the drill's own first."""
    active = [one for region in _regions(system, owed) for one in fis.summaries(system, region) if one.active]
    ours = [one for one in active if one.tags.get(fis.RUN_TAG) == run]
    if ours:
        return Fact("ours", _shown(ours))
    foreign = [one for one in active if one.tags.get(fis.RUN_TAG) != fis.PREVIEW and _is_on_system(system, one)]
    return Fact("foreign" if foreign else "none", _shown(foreign))


def _shown(found: Sequence[fis.Experiment]) -> Mapping[str, Any]:
    return {"experiments": [{"id": one.id, "region": one.region, "state": one.state} for one in found]}


def _regions(system: System, owed: Sequence[OwedUndo]) -> list[str]:
    """List the regions where faults may be: those of the topology, and those in which the drill has started one."""
    topology = system.topology
    began = (str(region) for undo in owed for region in (undo.before.get("region"), *(undo.ids or ())) if region)
    return list(dict.fromkeys((topology.client.region, *topology.region_names, *began)))


def _is_on_system(system: System, summary: fis.Experiment) -> bool:
    """Read whether an experiment has a fault on a resource of this system; a summary does not list its targets."""
    experiment = fis.experiment(system, summary.id, summary.region)
    return experiment.active and any(_is_of_system(system, experiment.region, arn) for arn in experiment.faults_on)


def _is_of_system(system: System, region: str, arn: str) -> bool:
    own: Mapping[str, Callable[[System, str], Sequence[str]]] = {
        "instance": _hosts,
        "subnet": _subnets,
        "table": _tables,
    }
    kind = arn.split(":", 5)[-1].partition("/")[0]  # arn:PARTITION:ec2:REGION:ACCOUNT:instance/ID
    return kind in own and arn in own[kind](system, region)


def _hosts(system: System, region: str) -> Sequence[str]:
    return [host_of(system, DOCUMENT).arn] if region == system.topology.client.region else []


def _subnets(system: System, region: str) -> Sequence[str]:
    if region not in system.topology.region_names:
        return []
    vpc = [{"Name": "vpc-id", "Values": [isolation.application_vpc(system, region)]}]
    pages = system.client("ec2", region).get_paginator("describe_subnets").paginate(Filters=vpc)
    return [str(one["SubnetArn"]) for page in pages for one in page.get("Subnets", [])]


def _tables(system: System, region: str) -> Sequence[str]:
    name = system.topology.main_table
    if name is None or region not in system.topology.region_names:
        return []
    return [main_table.replica(system, region, name).arn]


def undo_steps(system: System, run: str, owed: Sequence[OwedUndo]) -> Sequence[UndoStep]:
    """Return the one step that ends all faults of the drill."""
    what = "stop the drill's FIS experiments, and wait until they are gone"
    pays = tuple(undo.number for undo in owed)
    heal, is_healed = partial(_heal, system, run, owed), partial(_is_healed, system, run, owed)
    return (UndoStep(PART, HEAL, what, pays, heal, is_healed),)


def _active(system: System, run: str, owed: Sequence[OwedUndo]) -> list[fis.Experiment]:
    found = [one for region in _regions(system, owed) for one in fis.of_run(system, run, region)]
    return [one for one in found if one.active]


def _heal(system: System, run: str, owed: Sequence[OwedUndo]) -> Mapping[str, Any]:
    active = _active(system, run, owed)
    if not active:
        return {"done": False}
    ended = experiments.stop_all(system, active, ENDS_WITHIN_S)
    for host in _hosts_with_loss(system, owed):
        _wait_for_no_rules(host)
    return {"done": True, **_shown(ended)}


def _hosts_with_loss(system: System, owed: Sequence[OwedUndo]) -> list[System]:
    """List the systems with each client host on which the drill injected packet loss."""
    named = [undo.arguments for undo in owed if undo.action == _ON_HOST]
    return [at_host(system, one.get("instance_id"), one.get("instance_tags"), one.get("region")) for one in named]


def _wait_for_no_rules(system: System) -> None:
    """Wait until the document's command has removed its rules: FIS does not wait for that."""
    rules, host = "", system.topology.client.instance_id
    with describe_half_done(f"the FIS experiments were stopped, and the client host {host} may still lose packets"):
        for rules in poll(lambda: loss_rules(system), ENDS_WITHIN_S):
            if not rules:
                return
    raise TimedOut(
        f"the FIS experiments were stopped, and after {ENDS_WITHIN_S:g} s the client host {host} still has netem "
        f"rules: {rules}: remove them with `tc qdisc del`",
        code="fault-not-stopped",
    )


def _is_healed(system: System, run: str, owed: Sequence[OwedUndo]) -> bool:
    return not _active(system, run, owed) and not any(map(loss_rules, _hosts_with_loss(system, owed)))
