"""The worker settles every transaction slowly."""

from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option

_SLOW = """
create function worker_slow() returns trigger language plpgsql as $$ begin
    perform pg_sleep({seconds});
    return new;
end $$;
create trigger worker_slow before insert on settlement for each row execute function worker_slow();
"""
_USUAL = "drop trigger worker_slow on settlement; drop function worker_slow();"


async def begin(lab: Lab, seconds: float) -> ActiveBreak:
    """Make each settlement wait in the database for that long."""
    await _on_the_writer(lab, _SLOW.format(seconds=seconds))

    async def mend() -> str:
        await _on_the_writer(lab, _USUAL)
        return ""

    return ActiveBreak(mend)


async def _on_the_writer(lab: Lab, script: str) -> None:
    await lab.database.server(await lab.database.writer() or lab.serving).execute(script)


BREAK = Break(
    "worker-slow",
    "no lie, but a measure: the worker needs --seconds more for each transaction",
    "SQL: a trigger on the database's settlements sleeps",
    begin,
    (Option("seconds", 0.5, "How much longer each transaction takes, real seconds."),),
)
