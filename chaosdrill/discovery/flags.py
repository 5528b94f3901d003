"""Tables with a stop flag, identified by their item, not by their name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaosdrill.discovery.findings import Candidate, ToFillIn, TopologyFinding, or_unknown, the_one
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.errors import CannotSee

KEY = {"PK": "stopFlag"}
USUAL_NAMES = ("ParamTable", "AppTable")  # parts of the names of the public sample's tables
MOST_TABLES = 2000  # table names that are listed per region
MOST_ITEMS = 50  # tables whose item is read per region
_WORDS = ("true", "false")


@dataclass(frozen=True)
class Flagged:
    """The tables of a region.

    :param tables: those with a stop flag, and the attributes that may be its value.
    :param blind: why tables could not be read.
    """

    tables: Mapping[str, tuple[str, ...]]
    looked_at: str
    blind: tuple[str, ...]


def find_flags(asked: DiscoveryScope) -> TopologyFinding:
    """Read the stop flag's item in each region's tables, beginning with those named as in the reference system."""
    how = f'aws dynamodb get-item --table-name NAME --key \'{{"PK":{{"S":"stopFlag"}}}}\'{asked.cli} --region REGION'
    seen = {region: or_unknown(partial(_flagged, asked, region), how) for region in asked.regions}
    flagged = {region: found for region, found in seen.items() if isinstance(found, Flagged)}
    tables = {region: _table(region, found, how) for region, found in seen.items()}
    looked_at = "; ".join(found.looked_at for found in flagged.values()) or "nothing"
    return TopologyFinding({"tables": tables, "key": dict(KEY), "attribute": _attribute(flagged, how)}, looked_at)


def _flagged(asked: DiscoveryScope, region: str) -> Flagged:
    listed = asked.account.listed("dynamodb", region, "list_tables", "TableNames", MOST_TABLES)
    usual = [name for name in listed.items if any(part.lower() in name.lower() for part in USUAL_NAMES)]
    others = [name for name in listed.items if name not in usual]
    looked, blind = 0, []
    found: dict[str, tuple[str, ...]] = {}
    for some in (usual, others):
        for name in some[: MOST_ITEMS - looked]:
            looked += 1
            try:
                attributes = _attributes(asked, region, name)
            except CannotSee as error:
                blind.append(f"{name}: {error}")
            else:
                found |= {} if attributes is None else {name: attributes}
        if found:
            break  # a table with the usual name and the item is sufficient; the others are not read
    return Flagged(found, f"the item of {looked} of {listed.count('tables')} in {region}", tuple(blind))


def _attributes(asked: DiscoveryScope, region: str, table: str) -> tuple[str, ...] | None:
    """Return the attributes whose value is true or false; None when the table has no such item."""
    key = {name: {"S": value} for name, value in KEY.items()}
    try:
        answer = asked.account.ask("dynamodb", region, "get_item", TableName=table, Key=key)
    except CannotSee as error:
        if "ValidationException" in str(error):  # a table with another key has no such item
            return None
        raise
    item: dict[str, Any] | None = answer.get("Item")
    return None if item is None else tuple(sorted(name for name, one in item.items() if one.get("S") in _WORDS))


def _table(region: str, seen: Flagged | ToFillIn, how: str) -> Any:
    if isinstance(seen, ToFillIn):
        return seen
    chosen = the_one(
        [Candidate(name) for name in seen.tables], f"table with the item {KEY}: read {seen.looked_at}", how
    )
    if isinstance(chosen, ToFillIn) and not seen.tables and seen.blind:
        names = tuple(Candidate(one.split(":")[0]) for one in seen.blind)
        return ToFillIn(f"{chosen.why}; {len(seen.blind)} could not be read, such as {seen.blind[0]}", how, names)
    return chosen


def _attribute(flagged: Mapping[str, Flagged], how: str) -> Any:
    found = [set(attributes) for one in flagged.values() for attributes in one.tables.values()]
    common = sorted(set.intersection(*found)) if found else []
    return the_one([Candidate(name) for name in common], f"attribute of {KEY} that holds 'true' or 'false'", how)
