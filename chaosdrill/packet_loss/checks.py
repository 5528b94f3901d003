"""Checks of the faults that FIS injects, before a drill: regions, roles, targets and durations."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chaosdrill import history
from chaosdrill.aws import System, fis, main_table
from chaosdrill.aws.regions import region_named
from chaosdrill.client.host.inspection import HostFacts, host_facts, install_command
from chaosdrill.errors import CannotSee
from chaosdrill.packet_loss import host, isolation, plan, replication_pause, role
from chaosdrill.packet_loss.alarms import stop_alarms
from chaosdrill.parts.check_readings import of_problems, read_text
from chaosdrill.parts.interface import Check, CheckContext, PlannedStep, Reading
from chaosdrill.stop_when import ENGAGED

LOSS, ISOLATION, PAUSE = (
    f"packet_loss.actions.{name}" for name in ("inject_packet_loss", "isolate_region", "pause_replication")
)
_MOVING = tuple(f"chaosdrill.{part}." for part in ("failover", "database", "routing", "stop_flag"))
PREVIEW_RUN = "rehearsal"  # the run tag of previews, in which FIS skips every action


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks of every fault that the experiment injects in setup or method."""
    losses, isolations, pauses = (_begun(context, function) for function in (LOSS, ISOLATION, PAUSE))
    system = context.system
    faults = _fault_regions(context)
    yield from _of_levers(context, faults)
    yield from _of_fis(system, faults)
    for step in losses:
        yield from _of_loss(context, step, _at_host(system, step.arguments))
    for step in isolations:
        fix = "correct `subnets`; stop what cuts them off, or wait for its end"
        yield _fault("subnets", step, fix, partial(_can_be_isolated, system, step.arguments))
        yield from _of_role(step, partial(role.for_isolation, system), system)
    for step in pauses:
        fix = "correct `table`; stop what pauses its replication, or wait for its end"
        yield _fault("table", step, fix, partial(_can_be_paused, system, step.arguments))
        yield from _of_role(step, partial(_needed_for_pause, system, step.arguments), system)
    for step in (*losses, *isolations, *pauses):
        fix = "correct the durations of the step"
        yield _fault("duration", step, fix, partial(_duration, context, step))


def _begun(context: CheckContext, function: str) -> list[PlannedStep]:
    return [step for step in context.steps_of(function) if step.stage in ("setup", "method")]


def _at_host(system: System, given: Mapping[str, Any]) -> System:
    return host.at_host(system, given.get("instance_id"), given.get("instance_tags"), given.get("region"))


def _fault(name: str, step: PlannedStep, fix: str, read: Callable[[], Reading], quick: bool = False) -> Check:
    return Check("packet_loss", f"packet_loss.{name}", f"{name} of {step.name}", fix, read, quick)


def _fault_regions(context: CheckContext) -> list[str]:
    """List the regions in which FIS injects a fault in setup or method, each once."""
    losses, isolations, pauses = (_begun(context, function) for function in (LOSS, ISOLATION, PAUSE))
    system = context.system
    regions = [region_named(system, step.arguments.get("region", "home")) for step in (*isolations, *pauses)]
    regions += [_at_host(system, step.arguments).topology.client.region for step in losses]
    return list(dict.fromkeys(regions))


def lever_regions(context: CheckContext) -> list[str]:
    """List the regions whose safety lever matters: those with a fault, and all regions if ``stop_when`` requires it."""
    of_topology = context.system.topology.region_names if context.stop_when.safety_lever == ENGAGED else ()
    return list(dict.fromkeys([*_fault_regions(context), *of_topology]))


def _of_levers(context: CheckContext, faults: list[str]) -> Iterator[Check]:
    is_required = context.stop_when.safety_lever == ENGAGED
    for region in lever_regions(context) if is_required else faults:
        fix = "ask who engaged it, or allow fis:GetSafetyLever"
        lever = partial(_lever, context.system, region, is_required)
        yield Check("fis", "packet_loss.safety-lever", f"safety lever of {region}", fix, lever, quick=True)


def _of_fis(system: System, regions: list[str]) -> Iterator[Check]:
    for region in regions:
        fix = "wait until they have ended; `aws fis list-experiments` shows them"
        others = partial(_others, system, region)
        yield Check("fis", "packet_loss.other-experiments", f"experiments in {region}", fix, others, quick=True)
    if regions:
        fix = "make it, or allow iam:GetRole of it"
        service_role = read_text(partial(_service_role, system))
        yield Check("fis", "packet_loss.service-role", f"role {fis.SERVICE_ROLE}", fix, service_role)


def _lever(system: System, region: str, is_required: bool) -> Reading:
    try:
        state, reason = fis.safety_lever(system, region)
    except ClientError as error:
        if is_required or "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return Reading("", "warning", str(error))  # FIS itself cancels the experiment then, with its reason
    if state != "disengaged":
        why = f"it is {state} ({reason or 'no reason given'}): FIS starts no experiment there"
        return Reading("", "refuse", why, code="safety-lever-engaged")
    return Reading(state)


def _others(system: System, region: str) -> Reading:
    """Read which other experiments are active. One with a fault on a target is refused by its own check."""
    drill = history.current()
    ours = (PREVIEW_RUN, drill.run_id if drill else PREVIEW_RUN)
    active = [one for one in fis.summaries(system, region) if one.active and one.tags.get(fis.RUN_TAG) not in ours]
    if not active:
        return Reading("none is active")
    shown = ", ".join(f"{one.id} ({one.state})" for one in active)
    return Reading(shown, "warning", "experiments of others run at the same time", code="fault-in-force")


def _service_role(system: System) -> str:
    iam = system.client("iam", system.topology.client.region)
    try:
        return str(iam.get_role(RoleName=fis.SERVICE_ROLE)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        raise CannotSee(
            f"it does not exist, and a drill may not create it: have an administrator run `{role.MAKES_IT}`",
            code="role-missing",
        ) from None


def _of_loss(context: CheckContext, step: PlannedStep, there: System) -> Iterator[Check]:
    """List the checks of a packet loss.

    :param there: the system with the client host that the step names.
    """
    client = there.topology.client
    fix = "start the host or its agent, or correct `client:`; stop the other fault, or wait for its end"
    yield _fault("target", step, fix, partial(_target, there), quick=True)
    if alarms := step.arguments.get("stop_condition_alarms"):
        fix = "correct `stop_condition_alarms`, or wait until they are OK"
        yield _fault("alarms", step, fix, partial(_alarms, there, list(alarms)))
    yield from _of_role(step, partial(_needed_for_loss, there), there)
    if context.on_host:
        install = install_command(client.instance_id, client.region, "at", "bind-utils", "jq", "lsof", "iproute-tc")
        what, tools = f"tools of the packet loss on {client.instance_id}", read_text(partial(_tools, there))
        fix = f"install them yourself: {install}"
        yield Check("client", "packet_loss.tools", what, fix, tools, on_host=True)


def _target(there: System) -> Reading:
    found = host.host_of(there, plan.DOCUMENT)
    problems = [
        *host.not_running(there, found),
        *host.agent_offline(there, found),
        *host.other_fault(there, found),
    ]
    return of_problems(problems, f"{found.instance_id} runs, its agent is online, and it has no fault")


def _alarms(there: System, alarms: list[str]) -> Reading:
    found, problems = stop_alarms(there, alarms, there.topology.client.region)
    return of_problems(problems, f"{len(found)} alarm(s), none in ALARM")


def _of_role(step: PlannedStep, needed: Callable[[], role.RoleNeeded], system: System) -> Iterator[Check]:
    """List the check of the role that FIS assumes, unless the step names one of its own."""
    if not step.arguments.get("role_arn"):
        fix = f"let an administrator run `{role.MAKES_IT}`"
        yield _fault("role", step, fix, lambda: Reading(role.find_role(system, needed())))


def _needed_for_loss(there: System) -> role.RoleNeeded:
    found = host.host_of(there, plan.DOCUMENT)
    return role.for_packet_loss(found.document_arn, found.arn)


def _needed_for_pause(system: System, given: Mapping[str, Any]) -> role.RoleNeeded:
    return role.for_pause(_paused_replica(system, given).arn)


def _paused_replica(system: System, given: Mapping[str, Any]) -> main_table.Replica:
    name, region = main_table.table_name(system, given.get("table")), region_named(system, given.get("region", "home"))
    return replication_pause.pausable_replica(system, region, name)


def _tools(system: System) -> str:
    facts = host_facts(system)
    if not facts.missing:
        return f"{', '.join(facts.tools)}, netem ({facts.system})"
    if not facts.package_manager:
        raise CannotSee(
            f"missing: {', '.join(facts.missing)}, and the host has no package manager to install them",
            code="client-tools-missing",
        )
    return f"missing: {', '.join(facts.missing)}: {_installed_first(system, facts)}"


def _installed_first(system: System, facts: HostFacts) -> str:
    client = system.topology.client
    command = install_command(client.instance_id, client.region, *facts.packages, manager=facts.package_manager)
    return f"the fault's document installs them first, from the host's package repositories; to do it now: {command}"


def _can_be_isolated(system: System, given: Mapping[str, Any]) -> Reading:
    region = region_named(system, given.get("region", "home"))
    arns = isolation.subnets_of(system, region, given.get("subnets"))
    isolation.refuse_cut_off(system, region, arns)
    return Reading(f"{len(arns)} subnets, none cut off")


def _can_be_paused(system: System, given: Mapping[str, Any]) -> Reading:
    replica = _paused_replica(system, given)
    replication_pause.refuse_paused(system, replica)
    return Reading(f"{replica.name} is replicated, and not paused")


def _duration(context: CheckContext, step: PlannedStep) -> Reading:
    """Check a fault's duration by itself, and against the waits until the application is moved.

    A fault that ends before the transition begins proves nothing about it.
    """
    given, seconds = step.arguments, _seconds(step)
    if step.function.endswith(ISOLATION):
        isolation.refuse_arguments(seconds, given.get("subnets"))
    elif step.function.endswith(PAUSE):
        replication_pause.refuse_arguments(seconds)
    else:
        plan.requested_fault(
            given.get("percent", 1), None, given.get("traffic_type", "ingress"), seconds, given.get("fis_duration_s")
        )
    waits_s = _waits_s(context, step)
    if float(seconds) < waits_s:
        why = f"the steps before the transition may wait {waits_s:g} s, longer than the fault lasts"
        return Reading(f"{seconds} s", "warning", why, code="fault-too-short")
    return Reading(f"{seconds} s")


def _seconds(step: PlannedStep) -> Any:
    return step.arguments.get("duration_s", 1800 if step.function.endswith(LOSS) else 1200)  # the actions' defaults


def _waits_s(context: CheckContext, fault: PlannedStep) -> float:
    """Return how long the steps between a fault and the next transition may wait, in seconds."""
    waits_s, begun = 0.0, False
    for step in context.steps:
        if begun and (step.stage not in ("setup", "method") or step.function.startswith(_MOVING)):
            break
        if begun:
            waits_s += _number(step.arguments.get("within_s"))
        begun = begun or step is fault
    return waits_s


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0
