"""What an experiment's steps need of FIS and of the client host, looked for before a drill finds it missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from chaosdrill.aws import System, fis
from chaosdrill.aws.regions import region_named
from chaosdrill.client.host.inspection import HostFacts, host_facts, install_command
from chaosdrill.client.host.packing import HEARTBEAT, locust_needs, locust_zipapp
from chaosdrill.client.host.pythons import Needs, find_python
from chaosdrill.errors import CannotSee
from chaosdrill.packet_loss.host import at_host
from chaosdrill.packet_loss.role import MAKES_IT
from chaosdrill.rehearsal.steps import Step
from chaosdrill.survey.check import Look
from chaosdrill.survey.seen import Seen

LOSS = "chaosdrill.packet_loss.actions.inject_packet_loss"
ISOLATION = "chaosdrill.packet_loss.actions.isolate_region"
PAUSE = "chaosdrill.packet_loss.actions.pause_replication"
_LOAD = "chaosdrill.load.actions.start_load"
_HEARTBEAT = "chaosdrill.heartbeat.actions.start_heartbeat"


def requirements(system: System, steps: Sequence[Step]) -> list[Seen]:
    """Read what the steps need: the safety lever and the service-linked role of FIS, tools and Pythons on the host.

    :returns: a row for each; one command runs on the client host for each kind of program that is brought there.
    """
    looks = list(_looks(system, steps))
    if not looks:
        return []
    with ThreadPoolExecutor(len(looks), thread_name_prefix="requirements") as pool:
        return list(pool.map(lambda look: look(), looks))


def _looks(system: System, steps: Sequence[Step]) -> Iterator[Look]:
    losses = [step.arguments for step in steps if step.function == LOSS]
    of_a_region = [step.arguments for step in steps if step.function in (ISOLATION, PAUSE)]
    yield from _of_fis(system, losses, of_a_region)
    yield from _of_tools(system, losses)
    yield from _of_programs(system, {step.function for step in steps})


def _of_fis(
    system: System, losses: Iterable[Mapping[str, Any]], of_a_region: Iterable[Mapping[str, Any]]
) -> Iterator[Look]:
    regions = [region_named(system, one.get("region", "home")) for one in of_a_region]
    regions += [_region_of_host(system, one) for one in losses]
    advice = "ask who engaged it, or allow fis:GetSafetyLever"
    for region in dict.fromkeys(regions):
        yield Look("fis", f"safety lever of {region}", partial(_lever, system, region), advice)
    if regions:
        advice = "make it, or allow iam:GetRole of it"
        yield Look("fis", f"role {fis.SERVICE_ROLE}", partial(_service_role, system), advice)


def _region_of_host(system: System, given: Mapping[str, Any]) -> str:
    return str(at_host(system, given.get("instance_id"), None, given.get("region")).topology.client.region)


def _lever(system: System, region: str) -> str:
    state, reason = fis.safety_lever(system, region)
    if state != "disengaged":
        raise CannotSee(f"it is {state} ({reason or 'no reason given'}): FIS starts no experiment there")
    return state


def _service_role(system: System) -> str:
    iam = system.client("iam", system.topology.client.region)
    try:
        return str(iam.get_role(RoleName=fis.SERVICE_ROLE)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        raise CannotSee(
            f"it is not there, and a drill may not make it: let an administrator run `{MAKES_IT}`"
        ) from None


def _of_tools(system: System, losses: Iterable[Mapping[str, Any]]) -> Iterator[Look]:
    for given in losses:
        there = at_host(system, given.get("instance_id"), given.get("instance_tags"), given.get("region"))
        host = there.topology.client
        command = install_command(host.instance_id, host.region, "at", "bind-utils", "jq", "lsof", "iproute-tc")
        advice = f"install them yourself: {command}"
        what = f"tools of the packet loss on {host.instance_id}"
        yield Look("client", what, partial(_tools, there), advice)


def _tools(system: System) -> str:
    facts = host_facts(system)
    if not facts.missing:
        return f"{', '.join(facts.tools)}, netem ({facts.system})"
    if not facts.package_manager:
        raise CannotSee(f"missing: {', '.join(facts.missing)}, and the host has no package manager to install them")
    return f"missing: {', '.join(facts.missing)}: {_installed_first(system, facts)}"


def _installed_first(system: System, facts: HostFacts) -> str:
    host = system.topology.client
    command = install_command(host.instance_id, host.region, *facts.packages, manager=facts.package_manager)
    return f"the fault's document installs them first, from the host's package repositories; to do it now: {command}"


def _of_programs(system: System, functions: set[str]) -> Iterator[Look]:
    topology = system.topology
    if _LOAD in functions and topology.client.run == "ssm":
        yield _python(system, locust_needs())
    if _HEARTBEAT in functions and topology.heartbeat is not None and topology.heartbeat.run == "ssm":
        yield _python(system, HEARTBEAT)


def _python(system: System, needs: Needs) -> Look:
    def read() -> str:
        python = find_python(system, needs)
        if needs is not HEARTBEAT:
            locust_zipapp(python)  # fetched now, when that takes a package index, and not when the drill has begun
        return str(python)

    host = system.topology.client
    package = f"python{needs.python[0]}.{needs.python[1]}"
    advice = f"install one, such as {install_command(host.instance_id, host.region, package)}"
    return Look("client", f"Python for {needs.what} on {host.instance_id}", read, advice)
