"""Actions that lose packets on the client host, isolate a region, or pause the main table's replication; and end
that.
"""

import math
from dataclasses import asdict
from typing import Any, Optional, Union

from chaoslib.types import Configuration, Secrets

from chaosdrill.activity import action
from chaosdrill.aws import deadlines, system_of
from chaosdrill.aws.ambiguous_result import describe_half_done
from chaosdrill.aws.overrides import with_client_host
from chaosdrill.aws.regions import client_region
from chaosdrill.packet_loss import evidence, experiments, preparation, replication_pause
from chaosdrill.packet_loss.main_table_lag import note_main_table_lag

__all__ = ["heal_packet_loss", "inject_packet_loss", "isolate_region", "pause_replication"]


@action
def inject_packet_loss(
    percent: int = 30,
    sources: Union[str, list[str]] = "home",
    traffic_type: str = "ingress",
    duration_s: int = 1800,
    template: str = "exp-packetloss",
    instance_id: Optional[str] = None,
    role_arn: Optional[str] = None,
    interface: str = "DEFAULT",
    fis_duration_s: Optional[int] = None,
    flows_percent: int = 100,
    instance_tags: Optional[dict[str, str]] = None,
    region: Optional[str] = None,
    stop_condition_alarms: Optional[list[str]] = None,
    timeout_s: float = 300,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start a FIS experiment that drops packets between the client host and some addresses; wait until packets are
    lost.

    FIS reports the fault as running while its document still installs its tools, so the client host itself must show
    it.

    :param percent: of the packets, a whole number from 1 to 100.
    :param sources: the other end: home (the addresses to which the client host resolves the domain now; refused unless
        all are the home region's), standby or active likewise, or IPv4 addresses and ranges, as a list or with commas
        between them; ranges that cover every address are refused.
    :param traffic_type: ingress (packets from there) or egress (packets to there).
    :param duration_s: how long, 1 to 43200 seconds.
    :param template: name of the experiment template; one of that name and content is used again.
    :param instance_id: the host that loses packets; default: the topology's client host.
    :param role_arn: the role that FIS assumes; default: chaosdrill-packet-loss, which `chaosdrill iam EXPERIMENT
        --make-roles` makes.
    :param interface: the host's network interface; DEFAULT is that of its default route.
    :param fis_duration_s: how long FIS waits, in seconds; default: duration_s and 120 s for the document's
        installation, in whole minutes, rounded up.
    :param flows_percent: of the connections, a whole number from 1 to 100; the others lose nothing.
    :param instance_tags: instead of instance_id: tags that exactly one instance of the region has.
    :param region: where the host is and FIS runs, by name or as home, standby, active; default: the topology's client
        host's.
    :param stop_condition_alarms: CloudWatch alarms of that region, names or ARNs, that make FIS stop the fault;
        default: none.
    :param timeout_s: how long to prepare it, and again how long to wait until packets are lost, in seconds: the first
        time the document installs its tools, and on Amazon Linux 2023 perhaps a kernel module.
    :param standalone: allow it outside a drill.
    :returns: ``{done, experiment_id, template_id, role_arn, instance_id, region, sources, percent, duration_s}``.
    :raises ActivityFailed: before anything is started: wrong arguments, a domain in sources, no such target or several,
        its SSM agent not online, another fault on it, an alarm that is missing or in ALARM, an engaged safety lever;
        afterwards: when FIS ends the experiment, or the host shows no loss in time, with FIS's reason and the output of
        the document's SSM command.
    :undo: heal_packet_loss
    :source: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
    """
    system = system_of(configuration, secrets)
    asked = preparation.PacketLossRequest(
        percent=percent,
        sources=sources,
        traffic_type=traffic_type,
        duration_s=duration_s,
        template=template,
        instance_id=instance_id,
        role_arn=role_arn,
        interface=interface,
        fis_duration_s=fis_duration_s,
        flows_percent=flows_percent,
        instance_tags=instance_tags,
        region=region,
        stop_condition_alarms=stop_condition_alarms,
    )
    there, fault = preparation.packet_loss(system, asked)
    instance_id = there.targets[0]
    system = with_client_host(system, instance_id, there.region)
    evidence.note(system, configuration, evidence.BEFORE, template=there.template_id, fault=asdict(fault))
    experiment_id = experiments.start(system, there.template_id, there.region, timeout_s, document=True)
    evidence.note(system, configuration, evidence.RUNNING, experiment=experiment_id)
    return {
        "done": True,
        "experiment_id": experiment_id,
        "template_id": there.template_id,
        "role_arn": there.role_arn,
        "instance_id": instance_id,
        "region": there.region,
        "sources": list(fault.sources),
        "percent": fault.percent,
        "duration_s": fault.duration_s,
    }


@action
def isolate_region(
    region: str = "home",
    duration_s: int = 1200,
    subnets: Optional[list[str]] = None,
    template: str = "exp-region-isolation",
    role_arn: Optional[str] = None,
    timeout_s: float = 120,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start a FIS experiment that cuts a region's subnets off from all other addresses; wait until it runs.

    Application and databases cannot be reached then, but the region's AWS APIs can. Aurora's storage and DynamoDB's
    global tables continue to replicate, because that traffic does not pass the subnets: replica_lag_s, measured before,
    shows what the loss of a region would cost. Where the topology names the main table, its replication lag is measured
    here, just before. heal_packet_loss ends the isolation.

    :param region: a region of the topology, or home, standby, active.
    :param duration_s: how long, 60 to 43200 seconds.
    :param subnets: ids of the subnets; default: every subnet of the VPC of the region's load balancer.
    :param template: name of the experiment template; one of that name and content is used again.
    :param role_arn: the role that FIS assumes; default: chaosdrill-region-isolation, which `chaosdrill iam EXPERIMENT
        --make-roles` makes.
    :param timeout_s: how long to prepare it, and again how long to wait until it runs, in seconds.
    :param standalone: allow it outside a drill.
    :returns: ``{done, experiment_id, template_id, role_arn, region, subnets, duration_s}``.
    :raises ActivityFailed: before anything is started: wrong arguments, no such subnet, the client host is in one of
        them, or one is cut off already; afterwards: when FIS ends the experiment, with its reason.
    :undo: heal_packet_loss
    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#disrupt-connectivity
    """
    system = system_of(configuration, secrets)
    there = preparation.region_isolation(
        system, preparation.IsolationRequest(region, duration_s, subnets, template, role_arn)
    )
    note_main_table_lag(system, there.region)
    return {
        "done": True,
        "experiment_id": experiments.start(system, there.template_id, there.region, timeout_s),
        "template_id": there.template_id,
        "role_arn": there.role_arn,
        "region": there.region,
        "subnets": list(there.targets),
        "duration_s": int(duration_s),
    }


@action
def pause_replication(
    region: str = "home",
    duration_s: int = 1200,
    table: Optional[str] = None,
    template: str = "exp-replication-pause",
    role_arn: Optional[str] = None,
    timeout_s: float = 120,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Start a FIS experiment that pauses the main table's replication from and to a region; wait until it is paused.

    Both regions continue to accept writes, and DynamoDB replicates them when the pause ends. Begin it before
    isolate_region: then the writes that follow do not reach the other region, which isolate_region alone does not
    achieve. FIS reports the experiment as running at once, but DynamoDB may continue to replicate for 300 s, so this
    waits that long. It is for global tables with eventual consistency. heal_packet_loss ends the pause; the policies
    that FIS adds to the table and its stream also end by themselves.

    :param region: whose replica, a region of the topology, or home, standby, active.
    :param duration_s: how long from the beginning of the action, 360 to 43200 seconds.
    :param table: name of the global table; default: the topology's main_table.
    :param template: name of the experiment template; one of that name and content is used again.
    :param role_arn: the role that FIS assumes; default: chaosdrill-replication-pause, which `chaosdrill iam EXPERIMENT
        --make-roles` makes.
    :param timeout_s: how long to prepare it, and again how long to wait until it runs, in seconds, without the 300 s.
    :param standalone: allow it outside a drill.
    :returns: ``{done, experiment_id, template_id, role_arn, region, table, duration_s}``.
    :raises ActivityFailed: before anything is started: wrong arguments, no such table, a table that is not global or
        strongly consistent, one whose replication is paused already; afterwards: when FIS ends the experiment, with its
        reason.
    :undo: heal_packet_loss
    :source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#dynamodb-actions-reference
    """
    system = system_of(configuration, secrets)
    there = preparation.paused_replication(
        system, preparation.ReplicationPauseRequest(region, duration_s, table, template, role_arn)
    )
    (name,) = there.targets
    note_main_table_lag(system, there.region, name)
    kind = replication_pause.KIND
    experiment_id = experiments.start(system, there.template_id, there.region, timeout_s, kind=kind)
    with deadlines.within(math.inf):  # the wait has its own end
        replication_pause.wait_until_paused(system, experiment_id, there.region)
    return {
        "done": True,
        "experiment_id": experiment_id,
        "template_id": there.template_id,
        "role_arn": there.role_arn,
        "region": there.region,
        "table": name,
        "duration_s": int(duration_s),
    }


@action
def heal_packet_loss(
    timeout_s: float = 300,
    region: Optional[str] = None,
    undo_of: Optional[str] = None,
    standalone: bool = False,
    configuration: Optional[Configuration] = None,
    secrets: Optional[Secrets] = None,
) -> dict[str, Any]:
    """Stop this run's packet-loss, isolation and pause experiments, found by tag, and wait until they have ended.

    :param timeout_s: how long to wait, in seconds.
    :param region: where they run, by name or as home, standby, active; default: wherever this run has started one, and
        where the client host is.
    :param undo_of: the step that this undoes; without that step in this run nothing is done.
    :param standalone: allow it outside a drill; then it stops the experiments that were started outside drills.
    :returns: ``{done, experiments: [{id, state}]}``; ``done`` is false, with ``why``, when all had ended already.
    :raises ActivityFailed: when one cannot be stopped or has not ended in time.
    :undo: none
    :source: https://docs.aws.amazon.com/fis/latest/APIReference/API_StopExperiment.html
    """
    system = system_of(configuration, secrets)
    with describe_half_done("no experiment was stopped, its fault may still be in force"):
        own = experiments.own(system, client_region(system, region))
    active = [one for one in own if one.active]
    ended = experiments.stop_all(system, active, timeout_s) if active else own
    shown = [{"id": one.id, "state": one.state} for one in ended]
    if own:
        evidence.note(system, configuration, evidence.HEALED, experiments=shown)
    if active:
        return {"done": True, "experiments": shown}
    return {"done": False, "experiments": shown, "why": "already over" if own else "no experiment was started"}
