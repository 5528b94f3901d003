"""The main table's replica drops writes that the other region has accepted."""

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab

# "enable replica": fires for replicated rows, before the trigger that decides between writers. The result is the same
# for every change of a transaction, so that a change of a dropped one finds no row.
_FORGET = """
create function forget() returns trigger language plpgsql as $$ begin
    return case when get_byte(uuid_send(new.id), 0) % 8 = 0 then null else new end;
end $$;
create trigger a_forget before insert on transactions for each row execute function forget();
alter table transactions enable replica trigger a_forget;
"""
_REMEMBER = "drop trigger a_forget on transactions; drop function forget();"


async def begin(lab: Lab) -> ActiveBreak:
    """Drop every eighth transaction accepted in the serving region from the replication to the other one."""
    replica = lab.main_table.server(lab.other)
    await replica.execute(_FORGET)

    async def mend() -> str:
        await replica.execute(_REMEMBER)
        return f"what {lab.other} has forgotten stays forgotten"

    return ActiveBreak(mend)


BREAK = Break(
    "replica-forgets",
    "accepted writes get a 200 response; every eighth never reaches the standby's main table",
    "SQL: a replica trigger on the standby's main table drops the row",
    begin,
)
