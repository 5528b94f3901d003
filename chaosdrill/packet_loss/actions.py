"""Lose packets on the client host, and stop losing them."""

from dataclasses import asdict, replace
from typing import Any, Optional

from chaoslib.types import Configuration, Secrets

from chaosdrill import history
from chaosdrill.activity import action
from chaosdrill.aws import system_of
from chaosdrill.packet_loss import evidence, experiments, plan
from chaosdrill.packet_loss import sources as source_addresses
from chaosdrill.packet_loss.host import host_of, refuse_traps
from chaosdrill.packet_loss.role import ensure_role

__all__ = ["heal_packet_loss", "inject_packet_loss"]


@action
def inject_packet_loss(
    percent: int = 30,
    sources: str = "home",
    traffic_type: str = "ingress",
    duration_s: int = 1800,
    template: str = "exp-packetloss",
    instance_id: Optional[str] = None,
    role_arn: Optional[str] = None,
    interface: str = "DEFAULT",
    fis_duration_s: Optional[int] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start a FIS experiment that drops packets between the client host and some addresses; wait until it runs.

    :param percent: of the packets, a whole number from 1 to 100.
    :param sources: whose packets: home (what the client host resolves the domain to now; refused if not all of it is
        the home region's), standby or active likewise, or IPv4 addresses and ranges with commas between them.
    :param traffic_type: ingress (what comes from there) or egress (what goes there).
    :param duration_s: how long, 1 to 43200 seconds.
    :param template: name of the experiment template; one of that name and content is used again.
    :param instance_id: the host that loses packets; default: the topology's client host.
    :param role_arn: the role that FIS takes on; default: one that may do just this, made if it is missing.
    :param interface: the host's network interface; DEFAULT is that of its default route.
    :param fis_duration_s: how long FIS waits, in seconds; default: duration_s in whole minutes, rounded up.
    :param standalone: allow it outside a drill.
    :returns: ``{done, experiment_id, template_id, role_arn, sources, percent, duration_s}``.
    :raises ActivityFailed: before anything is started: wrong arguments, a domain in sources, no such target, its SSM
        agent not online, another fault on it; afterwards: when FIS ends the experiment, with its reason.
    :undo: heal_packet_loss
    :source: the reference system's runbook, step 2-2;
        https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
    """
    system = system_of(configuration, secrets)
    addresses = source_addresses.written(sources)
    fault = plan.asked_for(percent, addresses, traffic_type, duration_s, fis_duration_s, interface)
    host = host_of(system, instance_id, plan.DOCUMENT)
    refuse_traps(system, host)
    if addresses is None:
        fault = replace(fault, sources=source_addresses.resolved(system, sources))
    history.record("undo", undo="heal_packet_loss", run_tag=experiments.run_tag())
    role_arn = role_arn or ensure_role(system, host.document_arn, host.arn)
    wanted = plan.template(fault, template, host.document_arn, host.arn, role_arn)
    template_id = experiments.ensure_template(system, wanted)
    evidence.note(system, configuration, evidence.BEFORE, template=template_id, fault=asdict(fault))
    experiment_id = experiments.start(system, template_id, host)
    evidence.note(system, configuration, evidence.RUNNING, experiment=experiment_id)
    return {
        "done": True,
        "experiment_id": experiment_id,
        "template_id": template_id,
        "role_arn": role_arn,
        "sources": list(fault.sources),
        "percent": fault.percent,
        "duration_s": fault.duration_s,
    }


@action
def heal_packet_loss(
    timeout_s: float = 300,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Stop this run's packet-loss experiments, found by tag, and wait until they are gone.

    :param timeout_s: how long to wait, in seconds.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill; then it stops what was started outside drills.
    :returns: ``{done, experiments: [{id, state}]}``; ``done`` is false, with ``why``, when it was already over.
    :raises ActivityFailed: when one cannot be stopped or is not gone in time.
    :undo: none
    :source: https://docs.aws.amazon.com/fis/latest/APIReference/API_StopExperiment.html
    """
    system = system_of(configuration, secrets)
    own = experiments.own(system)
    active = [one for one in own if one.active]
    ended = experiments.stop_all(system, active, timeout_s) if active else own
    shown = [{"id": one.id, "state": one.state} for one in ended]
    if active:
        return {"done": True, "experiments": shown}
    return {"done": False, "experiments": shown, "why": "already over" if own else "no experiment was started"}
