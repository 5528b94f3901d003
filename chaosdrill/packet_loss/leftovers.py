"""Leftovers of faults: experiments and templates of FIS, its roles, and netem rules on the client host."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chaosdrill.aws import System, elb, fis, ssm
from chaosdrill.client.commands import run_on_client
from chaosdrill.packet_loss import experiments, in_force, role
from chaosdrill.packet_loss.checks import PREVIEW_RUN
from chaosdrill.packet_loss.plan import DOCUMENT
from chaosdrill.parts.interface import Leftover, SweepScope

PART = "packet_loss"
EXPERIMENT, TEMPLATE, ROLE, RULE = "fis-experiment", "fis-template", "iam-role", "netem-rule"
GONE_WITHIN_S = 300.0  # how long healing a fault may take
_SSM_KEEPS = timedelta(days=30)  # how long SSM keeps its history of commands
_DEVICE = re.compile(r"\bdev ([A-Za-z0-9._-]{1,15})\b")
_TC = 'PATH="$PATH:/usr/sbin:/sbin"'


def leftovers(system: System, scope: SweepScope) -> Iterator[Leftover]:
    """List the leftovers of the faults of a system; only reads.

    An experiment or a template belongs to the system when it has chaosdrill's tag and a target of the system: the
    client host, a subnet of a region's load balancer, or the main table. Templates, roles and netem rules do not show
    which run uses them, so none of those is a leftover while a drill is live.
    """
    for region in _regions(system):
        yield from _experiments(system, region, scope)
    if scope.live_runs:
        return
    yield from _rules(system)
    if not scope.with_reused:
        return
    for region in _regions(system):
        yield from _templates(system, region)
    for name in role.chaosdrill_roles(system):
        by_hand = role.removal_by_hand(name)
        what = "role that FIS takes on for faults of this account; it has no effect by itself"
        yield Leftover(PART, ROLE, name, "", what, by_hand, is_reused=True)


def remove(system: System, leftover: Leftover) -> None:
    """Remove a leftover. Does no harm when it is already gone."""
    if leftover.kind == EXPERIMENT:
        _stop(system, leftover)
    elif leftover.kind == TEMPLATE:
        client = system.client("fis", leftover.region)
        try:
            client.delete_experiment_template(id=leftover.id)
        except client.exceptions.ResourceNotFoundException:
            return
    elif leftover.kind == ROLE:
        role.remove_role(system, leftover.id)
    else:
        run_on_client(system, _deletion(leftover.id), called=f"that removes the netem rules of {leftover.id}")


def _regions(system: System) -> list[str]:
    regions = system.topology.regions
    return list(dict.fromkeys((system.topology.client.region, regions.home, regions.standby)))


def _is_ours(tags: Mapping[str, Any] | None) -> bool:
    return fis.CREATED_BY_US.items() <= (tags or {}).items()


def _experiments(system: System, region: str, scope: SweepScope) -> Iterator[Leftover]:
    not_left = {PREVIEW_RUN, *scope.live_runs}
    for listed in fis.summaries(system, region):
        run = listed.tags.get(fis.RUN_TAG, "")
        if not (listed.active and _is_ours(listed.tags)) or run in not_left:
            continue
        one = fis.experiment(system, listed.id, region)
        if not one.active or not _has_own_target(system, region, one.faults_on):
            continue
        by_hand = shlex.join(["aws", "fis", "stop-experiment", "--id", one.id, "--region", region])
        since = one.created.astimezone(UTC).isoformat(timespec="seconds") if one.created else ""
        what = f"fault on {', '.join(one.faults_on)}: {one.state}"
        yield Leftover(PART, EXPERIMENT, one.id, region, what, by_hand, run, since)


def _stop(system: System, leftover: Leftover) -> None:
    one = fis.experiment(system, leftover.id, leftover.region)
    if one.active and _is_ours(one.tags):
        experiments.stop_all(system, [one], GONE_WITHIN_S)


def _templates(system: System, region: str) -> Iterator[Leftover]:
    client = system.client("fis", region)
    pages = client.get_paginator("list_experiment_templates").paginate()
    listed = [one for page in pages for one in page.get("experimentTemplates", []) if _is_ours(one.get("tags"))]
    for one in listed:
        targets = client.get_experiment_template(id=one["id"])["experimentTemplate"].get("targets") or {}
        arns = [str(arn) for target in targets.values() for arn in target.get("resourceArns") or []]
        if not _has_own_target(system, region, arns):
            continue
        by_hand = shlex.join(["aws", "fis", "delete-experiment-template", "--id", one["id"], "--region", region])
        what = f"template {(one.get('tags') or {}).get('Name', '')}; it has no effect until an experiment starts"
        yield Leftover(PART, TEMPLATE, str(one["id"]), region, what, by_hand, is_reused=True)


def _has_own_target(system: System, region: str, arns: Iterable[str]) -> bool:
    """Return whether a fault on these resources is one of this system, and not of another one in the account."""
    topology = system.topology
    names = {f"table/{topology.main_table}"}
    if region == topology.client.region:
        names.add(f"instance/{topology.client.instance_id}")
    of_arns = {arn.split(":", 5)[-1] for arn in arns}
    if names & of_arns:
        return True
    subnets = {name for name in of_arns if name.startswith("subnet/")}
    return bool(subnets) and bool(subnets & _own_subnets(system, region))


def _own_subnets(system: System, region: str) -> set[str]:
    balancer = system.topology.load_balancers.get(region)
    if balancer is None or balancer.arn is None:
        return set()
    vpc = elb.vpc_of(system, region, balancer.arn)
    client = system.client("ec2", region)
    pages = client.get_paginator("describe_subnets").paginate(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    return {f"subnet/{one['SubnetId']}" for page in pages for one in page.get("Subnets", [])}


def _rules(system: System) -> Iterator[Leftover]:
    """List the devices with netem rules, if FIS's document ran on the host and no experiment has a fault there now.

    Without a run of the document the rules belong to another tool.
    """
    host = system.topology.client
    devices = dict.fromkeys(_DEVICE.findall(in_force.loss_rules(system)))
    if not devices or _is_in_force(system):
        return
    since = datetime.now(UTC) - _SSM_KEEPS
    runs = ssm.document_runs(system, host.instance_id, host.region, DOCUMENT, since)
    if not runs:
        return
    for device in devices:
        what = f"netem rules on {host.instance_id} without an experiment; {DOCUMENT} last ran as {runs[0].command}"
        by_hand = f"on {host.instance_id}: tc qdisc del dev {device} root"
        yield Leftover(PART, RULE, device, host.region, what, by_hand)


def _is_in_force(system: System) -> bool:
    host = system.topology.client
    active = [one for one in fis.summaries(system, host.region) if one.active]
    faults = [arn for one in active for arn in fis.experiment(system, one.id, host.region).faults_on]
    return any(arn.endswith(f":instance/{host.instance_id}") for arn in faults)


def _deletion(device: str) -> str:
    name = shlex.quote(device)
    return f"{_TC}; tc qdisc show dev {name} 2>&1 | grep -qw netem || exit 0; tc qdisc del dev {name} root"
