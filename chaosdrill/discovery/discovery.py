"""Discovery of all parts of a system in an account, concurrently; a part that is not found does not affect the
others.
"""

import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import yaml

from chaosdrill.discovery.client_side import LOCUST_PORT, Known, find_dns, find_heartbeat, find_locust
from chaosdrill.discovery.controls import find_arc, find_routing
from chaosdrill.discovery.databases import find_database
from chaosdrill.discovery.entry_points import find_entry
from chaosdrill.discovery.findings import Note, ToFillIn, TopologyFinding, or_unknown
from chaosdrill.discovery.flags import find_flags
from chaosdrill.discovery.hosts import find_client
from chaosdrill.discovery.machines import find_machines
from chaosdrill.discovery.main_tables import find_main_table
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.discovery.writing import written
from chaosdrill.topology.problems import problems_of

_COMMENTS = {
    "accounts": "The accounts that may be touched. A change in any other is refused.",
    "aws": "The profile of the AWS config file that leads there; credentials never stand in this file.",
    "regions": "The region that serves at rest, and the one that stands by.",
    "domain": "The name that clients resolve.",
    "dns": "How the domain is resolved if this machine's own resolver does not know it.",
    "load_balancers": "Each region's entry: its load balancer, and the range that its addresses lie in.",
    "stop_flag": "The item that closes the application: each region's table, the item's key, the attribute true/false.",
    "routing": "Route 53 ARC: each region's routing control, and the cluster's five endpoints, which a drill uses.",
    "database": "The Aurora global cluster, and its cluster in each region.",
    "main_table": "The DynamoDB global table that the application accepts writes into.",
    "coordination": "The DynamoDB table with the lease of this system and what drills owe it, in a third region.",
    "failover": "The state machines that move the application: their region, and how their names begin.",
    "heartbeat": "The requests beside the load that measure recovery time and lost writes.",
}
_NO_TABLE = (
    "coordination is left out: without it a drill that another machine starts is not noticed. Create the table in a "
    "third region, and name it here as `coordination: {table: chaosdrill-coordination, region: THIRD_REGION}`:\n"
    "chaosdrill init --coordination > coordination.yaml"
)


def discover(asked: DiscoveryScope, known: Known | None = None) -> dict[str, TopologyFinding]:
    """Discover every part of a topology.

    :param known: candidates for values that no account contains, by name: ``dns``, ``url`` (of Locust), ``heartbeat``.
    :returns: findings by top-level key, in the order of the file.
    :raises DrillError: when the credentials are missing or expired.
    """
    account = or_unknown(lambda: asked.account.number(asked.home), f"aws sts get-caller-identity{asked.cli}")
    looks: dict[str, Callable[[DiscoveryScope], TopologyFinding]] = {
        "client": find_client,
        "stop_flag": find_flags,
        "database": find_database,
        "main_table": find_main_table,
        "failover": find_machines,
    }
    with ThreadPoolExecutor(len(looks) + 3, thread_name_prefix="discovery") as pool:
        locust = pool.submit(find_locust, known or {})
        arc, entry = pool.submit(find_arc, asked), pool.submit(find_entry, asked)
        found = {key: pool.submit(look, asked) for key, look in looks.items()}
        seen = {key: one.result() for key, one in found.items()}
        routing = find_routing(asked, arc.result(), entry.result().health_checks)
    findings = {
        "version": TopologyFinding(1, ""),
        "target": TopologyFinding("aws", ""),
        "accounts": TopologyFinding(account if isinstance(account, ToFillIn) else [account], "the credentials' own"),
        "aws": TopologyFinding({"profile": asked.account.profile}, "given"),
        "regions": TopologyFinding({"home": asked.home, "standby": asked.standby}, "given"),
        "domain": entry.result().domain,
        "dns": find_dns(entry.result().domain.value, entry.result().private, known or {}),
        "client": _with_locust(seen["client"], locust.result()),
        "load_balancers": entry.result().load_balancers,
        "stop_flag": seen["stop_flag"],
        "routing": routing,
        "database": seen["database"],
        "main_table": seen["main_table"],
        "coordination": TopologyFinding(Note(_NO_TABLE), "nothing"),
        "failover": seen["failover"],
        "heartbeat": find_heartbeat(known or {}),
    }
    if asked.account.profile is None:
        del findings["aws"]
    return {key: replace(one, comment=one.comment or _COMMENTS.get(key, "")) for key, one in findings.items()}


def left_to_fill_in(findings: Mapping[str, TopologyFinding]) -> list[tuple[str, ToFillIn]]:
    """Return the values that were not found, with their dotted keys."""
    return [
        (".".join(map(str, place)), unknown) for key, one in findings.items() for place, unknown in one.unknown(key)
    ]


def file_text(findings: Mapping[str, TopologyFinding]) -> str:
    """Return the text of the topology file; its header states how many values are left to fill in."""
    left = len(left_to_fill_in(findings))
    todo = f"Left to fill in: {left}, search for TODO." if left else "Everything was found: read it through."
    head = f"A topology for chaosdrill, written by `chaosdrill topology discover`.\n{todo}"
    return written(f"{head}\nThen see that every part can be read: chaosdrill topology check FILE", findings)


def problems_of_text(text: str) -> list[str]:
    """Return the problems of a written file, other than values left to fill in."""
    return [f"{problem.key}: {problem.what}: {problem.fix}" for problem in problems_of(yaml.safe_load(text))]


def _with_locust(client: TopologyFinding, url: str | ToFillIn) -> TopologyFinding:
    host = client.value["instance_id"] if isinstance(client.value["instance_id"], str) else "INSTANCE"
    region = client.value["region"] if isinstance(client.value["region"], str) else "REGION"
    comment = (
        "The host where clients are (the bastion), and Locust's address as seen from here, usually with its port "
        "forwarded:\n"
        f"aws ssm start-session --target {shlex.quote(host)} --region {shlex.quote(region)} "
        "--document-name AWS-StartPortForwardingSession "
        f"--parameters portNumber={LOCUST_PORT},localPortNumber={LOCUST_PORT}\n"
        "Instead of `run: attach` and `url:`, `run: ssm` lets the drill start its own Locust on the client host."
    )
    comment += f"\n{client.comment}" if client.comment else ""
    return replace(client, value={**client.value, "run": "attach", "url": url}, comment=comment)
