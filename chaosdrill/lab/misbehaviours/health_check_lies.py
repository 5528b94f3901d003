"""The standby region reports that it is healthy, and its clients' requests fail."""

from chaosdrill.lab.misbehaviours.main_table_sql import refuse_writes
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab

# The schema is replicated, so both servers have the same view; it fails on one of them only. Its condition refers to no
# column, so PostgreSQL evaluates it once per statement, whether or not the account exists.
_BROKEN = """
create function in_order() returns boolean language plpgsql stable as $$ begin
    if inet_server_addr() = '{address}' then
        raise exception 'out of order' using errcode = '25006';
    end if;
    return true;
end $$;
alter table account rename to account_in_order;
create view account as select * from account_in_order where in_order();
"""
_MENDED = "drop view account; alter table account_in_order rename to account; drop function in_order();"


async def begin(lab: Lab) -> ActiveBreak:
    """Make every balance and every new transaction fail in the region that does not serve yet; ``/health`` reads no
    store.
    """
    address = lab.plan.region(lab.other).database_address
    mend_writes = await refuse_writes(lab, lab.other)
    await _on_the_writer(lab, _BROKEN.format(address=address))

    async def mend() -> str:
        await _on_the_writer(lab, _MENDED)
        return await mend_writes()

    return ActiveBreak(mend)


async def _on_the_writer(lab: Lab, script: str) -> None:
    writer = await lab.database.writer()
    await lab.database.server(writer or lab.serving).execute(script)


BREAK = Break(
    "health-check-lies",
    "/health and the region facts are fine; in the standby balances and transactions fail",
    "SQL: accept() of the standby's main table raises, and so does a view in place of the table account, there only",
    begin,
)
