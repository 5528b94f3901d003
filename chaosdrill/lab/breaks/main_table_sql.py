"""The main table's function that accepts a transaction, replaced by one that refuses, and put back."""

from chaosdrill.lab.breaks.model import Lab, Mend
from chaosdrill.lab.main_table.schema import ACCEPT_AND_FINISH

# 25006, read_only_sql_transaction: the application knows what to say to its client about that
_REFUSING = """
create or replace function accept(transaction uuid, owner text, kind text, quantity bigint, region text) returns boolean
language plpgsql as $$ begin raise exception 'out of order' using errcode = '25006'; end $$;
"""
_AS_IT_WAS = ACCEPT_AND_FINISH.replace("create function", "create or replace function")


async def refuse_writes(lab: Lab, region: str) -> Mend:
    """Let a region's main table take no new transaction.

    :returns: puts it back.
    """
    server = lab.main_table.server(region)
    await server.execute(_REFUSING)

    async def mend() -> str:
        await server.execute(_AS_IT_WAS)
        return ""

    return mend
