"""The actual state of every transaction, read from the databases; a ledger of the clients' writes is compared with
it.
"""

from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.database import GlobalDatabase
from chaosdrill.lab.main_table import MainTable
from chaosdrill.lab.postgres import Server

WITHIN_S = 10.0
UNDONE = "status#success_rollback"
_ACCEPTED = "select id::text, account_id, kind, quantity, status from transactions"
_SETTLED = """
select transaction_id::text as id, min(account_id) as account_id, count(*) as times, sum(change)::bigint as change
    from settlement where outcome = 'status#success' group by transaction_id
"""


async def truth(database: GlobalDatabase, main_table: MainTable, region: str = "") -> dict[str, Any]:
    """Read both stores of one region.

    :param region: the region of the stores; empty: the one whose database accepts writes.
    :returns: ``{"region", "writers": regions whose database accepts writes, "transactions": {id: {"account", "kind",
        "quantity", "status", "undone", "settled", "change"}}}``; ``status`` is the main table's, None when it has no
        such transaction; ``undone`` is whether that status is a rollback; ``settled`` is how often the database has
        executed it, and ``change`` the sum of its changes.
    :raises LabError: when a store does not respond, or no region accepts writes and none was named.
    """
    regions = (await database.status())["regions"]
    writers = [name for name, facts in regions.items() if facts["role"] == "primary"]
    chosen = region or await database.writer()
    if chosen is None:
        raise LabError("no region's database takes writes now: name the region whose stores are to be read")
    found: dict[str, dict[str, Any]] = {}
    for row in await _rows(main_table.server(chosen), _ACCEPTED):
        facts = {"account": row["account_id"], "kind": row["kind"], "quantity": row["quantity"]}
        status = {"status": row["status"], "undone": row["status"] == UNDONE}
        found[row["id"]] = {**facts, **status, "settled": 0, "change": 0}
    for row in await _rows(database.server(chosen), _SETTLED):
        unknown = {"account": row["account_id"], "kind": None, "quantity": None, "status": None, "undone": False}
        found[row["id"]] = {**unknown, **found.get(row["id"], {}), "settled": row["times"], "change": row["change"]}
    return {"region": chosen, "writers": writers, "transactions": found}


async def _rows(server: Server, query: str) -> list[Any]:
    async with server.session(WITHIN_S) as session, session.transaction(readonly=True):
        return list(await session.fetch(query))
