"""Discovery of the global table with a replica in both regions."""

from typing import Any

from chaosdrill.discovery.findings import Note, TopologyFinding
from chaosdrill.discovery.flags import MOST_TABLES
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.errors import CannotSee

MOST_DESCRIBED = 50  # limit on the tables with the same name in both regions


def find_main_table(asked: DiscoveryScope) -> TopologyFinding:
    """Find tables of the home region that are replicated to the standby region. The key is optional: it is omitted if
    none or several are found.
    """
    try:
        home, standby = (_names(asked, region) for region in asked.regions)
        common = [name for name in home if name in standby]
        found = [name for name in common[:MOST_DESCRIBED] if _is_replicated(asked, name)]
    except CannotSee as error:
        return TopologyFinding(Note(f"main_table is left out: {error}"), "nothing")
    looked_at = f"{min(len(common), MOST_DESCRIBED)} of {len(common)} tables with one name in both regions"
    if len(found) == 1:
        return TopologyFinding(found[0], looked_at)
    named = f": {', '.join(found)}" if found else ""
    return TopologyFinding(
        Note(f"main_table is left out: {len(found)} global tables span both regions{named}"), looked_at
    )


def _names(asked: DiscoveryScope, region: str) -> tuple[Any, ...]:
    return asked.account.listed("dynamodb", region, "list_tables", "TableNames", MOST_TABLES).items


def _is_replicated(asked: DiscoveryScope, name: str) -> bool:
    table = asked.account.ask("dynamodb", asked.home, "describe_table", TableName=name)["Table"]
    return asked.standby in [one.get("RegionName") for one in table.get("Replicas", [])]
