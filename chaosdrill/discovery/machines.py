"""Discovery of the state machines for failover and failback."""

from functools import partial

from chaosdrill.discovery.account import Listing
from chaosdrill.discovery.findings import Candidate, ToFillIn, TopologyFinding, or_unknown, the_one
from chaosdrill.discovery.scope import DiscoveryScope

PREFIXES = {"failover_prefix": "FailoverStateMachine", "failback_prefix": "FailbackStateMachine"}
MOST_SHOWN = 20


def find_machines(asked: DiscoveryScope) -> TopologyFinding:
    """Find state machines by their prefixes: in the standby region, where they belong, else in the home region."""
    how = f"aws stepfunctions list-state-machines --region {asked.standby}{asked.cli}"
    seen = {region: or_unknown(partial(_listed, asked, region), how) for region in asked.regions}
    listed = {region: found for region, found in seen.items() if not isinstance(found, ToFillIn)}
    names = {region: sorted(str(machine["name"]) for machine in found.items) for region, found in listed.items()}
    looked_at = ", ".join(f"{found.count('state machines')} of {region}" for region, found in listed.items())
    region = next((r for r in (asked.standby, asked.home) if any(map(_of_pair, names.get(r, ())))), None)
    if region is None:
        blind = next((found for found in seen.values() if isinstance(found, ToFillIn)), None)
        why = blind or ToFillIn(f"no state machine's name begins with {' or '.join(PREFIXES.values())}", how)
        value = {"region": _region_unknown(asked), **dict.fromkeys(PREFIXES, _with_all(why, names))}
        return TopologyFinding(value, looked_at or "nothing")
    chosen = {key: _chosen(names[region], key, region, how) for key in PREFIXES}
    return TopologyFinding({"region": region, **chosen}, looked_at)


def _listed(asked: DiscoveryScope, region: str) -> Listing:
    return asked.account.listed("stepfunctions", region, "list_state_machines", "stateMachines")


def _of_pair(name: str) -> bool:
    return name.startswith(tuple(PREFIXES.values()))


def _chosen(names: list[str], key: str, region: str, how: str) -> object:
    """Return only the prefix when one machine matches: the suffix from CloudFormation changes when the machine is
    recreated.
    """
    prefix = PREFIXES[key]
    fitting = [Candidate(name) for name in names if name.startswith(prefix)]
    chosen = the_one(fitting, f"state machine of {region} whose name begins with {prefix}", how)
    return chosen if isinstance(chosen, ToFillIn) else prefix


def _region_unknown(asked: DiscoveryScope) -> ToFillIn:
    candidates = tuple(Candidate(region) for region in (asked.standby, asked.home))
    return ToFillIn(
        "the region of the state machines was not found", "the standby region, if a drill is to be safe", candidates
    )


def _with_all(why: ToFillIn, names: dict[str, list[str]]) -> ToFillIn:
    every = tuple(Candidate(name, region) for region, found in names.items() for name in found[:MOST_SHOWN])
    return ToFillIn(why.why, why.how, every)
