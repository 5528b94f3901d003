"""The bank's schema in the global database: accounts, and the settled transactions."""

WITHDRAWALS_WITHOUT_FEE = 3
FEE = 100

# settle() is one SQL transaction. The account's row is its lock; the settlement's primary key makes it idempotent:
# settling a transaction again changes nothing and returns the first outcome.
SCHEMA = f"""
create table account (
    account_id text primary key,
    balance bigint not null default 0 check (balance >= 0),
    withdrawals bigint not null default 0
);

create table settlement (
    transaction_id uuid primary key,
    account_id text not null references account,
    change bigint not null,
    outcome text not null,
    settled_at timestamptz not null default clock_timestamp()
);

create function settle(transaction uuid, owner text, kind text, quantity bigint) returns text
language plpgsql as $$
declare
    mine account;
    change bigint;
    result text;
begin
    insert into account (account_id) values (owner) on conflict do nothing;
    select * into mine from account where account_id = owner for update;
    select outcome into result from settlement where transaction_id = transaction;
    if found then
        return result;
    end if;
    change := case
        when kind = 'deposit' then quantity
        when mine.withdrawals >= {WITHDRAWALS_WITHOUT_FEE} then -quantity - {FEE}
        else -quantity
    end;
    if mine.balance + change < 0 then
        insert into settlement values (transaction, owner, 0, 'status#success_rollback');
        return 'status#success_rollback';
    end if;
    update account
        set balance = balance + change, withdrawals = withdrawals + (kind = 'withdraw')::int
        where account_id = owner;
    insert into settlement values (transaction, owner, change, 'status#success');
    return 'status#success';
end
$$;
"""
