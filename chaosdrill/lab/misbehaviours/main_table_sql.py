"""A main table function that refuses transactions, in place of the one that accepts them, and its restoration."""

from chaosdrill.lab.main_table.schema import ACCEPT_AND_FINISH
from chaosdrill.lab.misbehaviours.model import Lab, Mend

# 25006, read_only_sql_transaction: the application has a response for this error
_REFUSING = """
create or replace function accept(transaction uuid, owner text, kind text, quantity bigint, region text) returns boolean
language plpgsql as $$ begin raise exception 'out of order' using errcode = '25006'; end $$;
"""
_AS_IT_WAS = ACCEPT_AND_FINISH.replace("create function", "create or replace function")


async def refuse_writes(lab: Lab, region: str) -> Mend:
    """Make a region's main table refuse new transactions.

    :returns: a function that restores it.
    """
    server = lab.main_table.server(region)
    await server.execute(_REFUSING)

    async def mend() -> str:
        await server.execute(_AS_IT_WAS)
        return ""

    return mend
