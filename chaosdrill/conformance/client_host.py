"""Assumptions on the client host, by one harmless command: tools, Pythons, name resolution, length of a command."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from chaosdrill.aws import System
from chaosdrill.client import resolve
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import inspection, pythons
from chaosdrill.client.host.packing import HEARTBEAT, locust_needs
from chaosdrill.conformance.assumptions import Assumption, Observed
from chaosdrill.errors import CannotSee

PADDING = 45_000
"""Characters: the length of a part of a program that is sent there as the text of a command."""
WITHIN_S = 60.0
_SECTION = "== conformance: "


def assumptions(system: System) -> Iterator[Assumption]:
    """Yield the assumptions on the client host. The command is sent immediately, once."""
    with ThreadPoolExecutor(1, thread_name_prefix="client-host") as pool:
        sections = pool.submit(_sections, system)
    host = system.topology.client
    install = partial(inspection.install_command, host.instance_id, host.region)
    allow = "if it could not be read, allow ssm:SendCommand and ssm:GetCommandInvocation"
    yield Assumption(
        "length of an SSM command",
        f"{PADDING} characters are accepted",
        lambda: _length(sections.result()),
        f"name a bucket, `client: {{s3}}`; {allow}",
    )
    yield Assumption(
        f"tools on {host.instance_id}",
        "installed, or the host has a package manager",
        lambda: _tools(sections.result()),
        f"{install('at', 'bind-utils', 'jq', 'lsof', 'iproute-tc')}; {allow}",
    )
    for needs in (locust_needs(), HEARTBEAT):
        yield Assumption(
            f"Python for {needs.what} on {host.instance_id}",
            str(needs),
            partial(_python, sections, needs),
            install(f"python{pythons.dotted(needs.python)}"),
        )
    yield Assumption(
        f"where {system.topology.domain} resolves",
        f"on the client host; `dns: {{seen_from: {_seen_from(system)}}}` fits its zone (private: client, public: here)",
        lambda: _resolution(system, sections.result()),
        "correct `dns: {seen_from}`; if it could not be read, allow route53:ListHostedZones",
    )


def _seen_from(system: System) -> str:
    return system.topology.dns.seen_from if system.topology.dns else "here"


def _sections(system: System) -> Mapping[str, str]:
    """Return the output of each part of the command, by its name."""
    parts = {
        "length": f"printf %s '{'x' * PADDING}' | wc -c",
        "tools": inspection.SCRIPT,
        "pythons": pythons.script(*pythons.names(locust_needs().python)),
        "domain": resolve.lookup_script(system.topology.domain),
    }
    script = "\n".join(f"echo '{_SECTION}{name}'\n( {part}\n)" for name, part in parts.items())
    called = "that inspects the host"
    printed = run_on_client(system, f"{script}\ntrue", WITHIN_S, called=called, reads="inspect-host").stdout
    found = [part.partition("\n") for part in printed.split(_SECTION)[1:]]
    return {name.strip(): text for name, _, text in found}


def _length(sections: Mapping[str, str]) -> Observed:
    counted = sections["length"].strip()
    return Observed(f"the host counted {counted}", counted == str(PADDING))


def _tools(sections: Mapping[str, str]) -> Observed:
    facts = inspection.parsed(sections["tools"])
    if not facts.missing:
        return Observed(f"{', '.join(facts.tools)}, netem ({facts.system})", True)
    manager = facts.package_manager or "no package manager"
    return Observed(f"{facts.system}: missing {', '.join(facts.missing)}; {manager}", bool(facts.package_manager))


def _python(sections: "Future[Mapping[str, str]]", needs: pythons.Needs) -> Observed:
    found = pythons.parsed(sections.result()["pythons"])
    fit = pythons.best(found, needs)
    text = str(fit) if fit else "; ".join(map(str, dict.fromkeys(found))) or "no python3"
    return Observed(text, fit is not None)


def _resolution(system: System, sections: Mapping[str, str]) -> Observed:
    there = resolve.parsed_lookup(sections["domain"])
    private = _in_private_zone(system)
    text = f"{'private' if private else 'public'} zone; on the host {', '.join(there.addresses) or 'nothing'}"
    return Observed(text, bool(there.addresses) and private == (_seen_from(system) == "client"))


def _in_private_zone(system: System) -> bool:
    domain = system.topology.domain
    pages = system.client("route53", system.topology.region_names[0]).get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"]]
    own = [zone for zone in zones if f".{domain}.".endswith(f".{zone['Name'].lower()}")]
    if not own:
        raise CannotSee(f"Route 53 has no zone of {domain} in this account", code="dns-unanswered")
    return any((zone.get("Config") or {}).get("PrivateZone") for zone in own)
