"""A deposit is executed twice."""

from chaosdrill.lab.database.schema import SCHEMA
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab

_SETTLE = SCHEMA[SCHEMA.index("create function settle") :].replace("create function", "create or replace function")
_AGAIN = """
    if kind = 'deposit' and get_byte(uuid_send(transaction), 0) % 16 = 0 then
        update account set balance = balance + change where account_id = owner;
        insert into settlement values (transaction, owner, change, 'status#success');
    end if;
    return 'status#success';
end
$$;"""
# The primary key makes settling idempotent, so it is dropped; without an index, each settlement would scan the table.
_BROKEN = (
    "alter table settlement drop constraint settlement_pkey;"
    "create index settlement_not_unique on settlement (transaction_id);"
    + _SETTLE.replace("    return 'status#success';\nend\n$$;", _AGAIN)
)
_MENDED = (
    _SETTLE
    + """
delete from settlement a using settlement b where a.transaction_id = b.transaction_id and a.ctid < b.ctid;
drop index settlement_not_unique;
alter table settlement add primary key (transaction_id);
"""
)


async def begin(lab: Lab) -> ActiveBreak:
    """Add every sixteenth deposit to its account twice, and record it twice."""
    assert _AGAIN in _BROKEN, "settle() has another end than this break was written for"
    await _on_the_writer(lab, _BROKEN)

    async def mend() -> str:
        await _on_the_writer(lab, _MENDED)
        return "balances that a deposit was added to twice stay too high"

    return ActiveBreak(mend)


async def _on_the_writer(lab: Lab, script: str) -> None:
    writer = await lab.database.writer()
    await lab.database.server(writer or lab.serving).execute(script)


BREAK = Break(
    "deposit-twice",
    "every sixteenth deposit is accepted once and executed twice",
    "SQL: settle() is replaced, and the primary key that makes it idempotent is dropped",
    begin,
)
