"""A settled transaction disappears together with its effect."""

import asyncio
import uuid

from chaosdrill.errors import LabError
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab

AGE_REFERENCE_S, EVERY_REFERENCE_S = 40.0, 1.0  # old enough that no client of the load still reads it
_OLD_ENOUGH = """
select id from transactions where status = 'status#success' and kind = 'deposit'
    and get_byte(uuid_send(id), 0) % 16 = 0 and updated_at < clock_timestamp() - make_interval(secs => $1)
"""
_UNDO = """
with gone as (delete from settlement where transaction_id = any($1::uuid[]) returning account_id, change),
    sums as (select account_id, sum(change)::bigint as change from gone group by account_id)
update account set balance = greatest(0, account.balance - sums.change) from sums
    where account.account_id = sums.account_id
"""


async def begin(lab: Lab) -> ActiveBreak:
    """Delete every sixteenth deposit from both stores some time after it was settled."""
    deleting = lab.in_background(_delete(lab))

    async def mend() -> str:
        deleting.cancel()
        return "the transactions that were deleted stay deleted"

    return ActiveBreak(mend)


async def _delete(lab: Lab) -> None:
    while True:
        await asyncio.sleep(EVERY_REFERENCE_S * lab.plan.scale)
        try:
            await _delete_once(lab)
        except LabError:
            continue  # a server is down or changes its role: retry later


async def _delete_once(lab: Lab) -> None:
    writer = await lab.database.writer()
    if writer is None:
        return
    async with lab.main_table.server(writer).session() as session:
        found = await session.fetch(_OLD_ENOUGH, AGE_REFERENCE_S * lab.plan.scale)
    gone: list[uuid.UUID] = [row["id"] for row in found]
    if not gone:
        return
    async with lab.database.server(writer).session() as session:
        await session.execute(_UNDO, gone)
    for region in lab.plan.regions:
        async with lab.main_table.server(region.name).session() as session:
            await session.execute("delete from transactions where id = any($1::uuid[])", gone)


BREAK = Break(
    "settled-deleted",
    "every sixteenth deposit disappears from both stores after it was settled",
    "SQL: deletes in the main tables and the database",
    begin,
)
