"""The Aurora global cluster that has a cluster in both regions."""

from typing import Any

from chaosdrill.discovery.findings import Candidate, ToFillIn, TopologyFinding, or_unknown, the_one
from chaosdrill.discovery.scope import DiscoveryScope


def find_database(asked: DiscoveryScope) -> TopologyFinding:
    """Find the global cluster with a member in both regions."""
    how = f"aws rds describe-global-clusters --region {asked.home}{asked.cli}"
    listed = or_unknown(
        lambda: asked.account.listed("rds", asked.home, "describe_global_clusters", "GlobalClusters"), how
    )
    if isinstance(listed, ToFillIn):
        return TopologyFinding({"global_cluster": listed, "clusters": dict.fromkeys(asked.regions, listed)}, "nothing")
    spanning = {str(one["GlobalClusterIdentifier"]): _members(one, asked) for one in listed.items}
    spanning = {name: members for name, members in spanning.items() if len(members) == len(asked.regions)}
    chosen = the_one([Candidate(name) for name in spanning], "global cluster with a member in both regions", how)
    if isinstance(chosen, ToFillIn):
        clusters = {region: _clusters(region, spanning, chosen) for region in asked.regions}
    else:
        clusters = spanning[chosen]
    return TopologyFinding({"global_cluster": chosen, "clusters": clusters}, listed.count("global clusters"))


def _members(cluster: dict[str, Any], asked: DiscoveryScope) -> dict[str, Any]:
    arns = [str(member["DBClusterArn"]) for member in cluster.get("GlobalClusterMembers", [])]
    by_region = {arn.split(":")[3]: arn for arn in arns}
    return {region: by_region[region] for region in asked.regions if region in by_region}


def _clusters(region: str, spanning: dict[str, dict[str, Any]], chosen: ToFillIn) -> ToFillIn:
    candidates = tuple(Candidate(members[region], f"of {name}") for name, members in spanning.items())
    return ToFillIn(chosen.why, chosen.how, candidates)
