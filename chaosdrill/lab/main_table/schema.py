"""The main table's schema: every transaction that the bank accepted, with conflict resolution by last writer wins.

DynamoDB global tables resolve concurrent updates by "last writer wins" and converge. Here every row stores when and
where it was written; a replicated row is applied only when it is later than the local one.

:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

PUBLICATION = "main_table"

TABLE = """
create table transactions (
    id uuid primary key,
    account_id text not null,
    kind text not null check (kind in ('deposit', 'withdraw')),
    quantity bigint not null check (quantity > 0),
    status text not null,
    updated_at timestamptz not null,
    written_in text not null
);
create index pending on transactions (account_id) where status = 'status#pending';
"""

# Fires for replicated rows only ("enable replica"). Names are qualified: the apply worker has no search path.
LAST_WRITER_WINS = """
create function last_writer_wins() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        update public.transactions set
            account_id = new.account_id, kind = new.kind, quantity = new.quantity, status = new.status,
            updated_at = new.updated_at, written_in = new.written_in
            where id = new.id;  -- goes through this trigger as an update, which decides
        if found or exists (select from public.transactions where id = new.id) then
            return null;
        end if;
        return new;
    end if;
    if (new.updated_at, new.written_in) > (old.updated_at, old.written_in) then
        return new;
    end if;
    return null;
end
$$;
create trigger last_writer_wins before insert or update on transactions
    for each row execute function last_writer_wins();
alter table transactions enable replica trigger last_writer_wins;
"""

# accept() returns false while the account has a pending transaction. The lock serializes an account's transactions; it
# must be a separate statement, so that the query after it reads what the previous holder committed. A unique index
# would do the same here, but replication from the other region would stop at its first violation.
ACCEPT_AND_FINISH = """
create function accept(transaction uuid, owner text, kind text, quantity bigint, region text) returns boolean
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(owner, 0));
    if exists (select from transactions t where t.account_id = owner and t.status = 'status#pending') then
        return false;
    end if;
    insert into transactions values (transaction, owner, kind, quantity, 'status#pending', clock_timestamp(), region);
    return true;
end
$$;

create function finish(transaction uuid, outcome text, region text) returns void
language sql as $$
    update transactions set status = outcome, updated_at = clock_timestamp(), written_in = region
        where id = transaction and status = 'status#pending'
$$;
"""

SCHEMA = TABLE + LAST_WRITER_WINS + ACCEPT_AND_FINISH + f"create publication {PUBLICATION} for table transactions;"


def subscription(name: str, conninfo: str) -> str:
    """Return the statement that subscribes a server to the writes of the other's clients only (``origin = none``)."""
    return (
        f"create subscription {name} connection '{conninfo}' publication {PUBLICATION} "
        "with (copy_data = false, origin = none)"
    )
