"""The main table: both regions write, replication lags, and in the end both hold what was written last."""

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chaosdrill.lab.main_table import MainTable
from chaosdrill.lab.plan import HOME, STANDBY, LabPlan
from tests.failing import fails_with
from tests.lab.inside import inside, namespaces  # noqa: F401 - the fixture
from tests.waiting import LONG_S

pytestmark = pytest.mark.long

TOKYO, OSAKA = HOME.name, STANDBY.name
ACCEPT = "select accept($1, $2, 'deposit', 1000, $3)"
UPDATE = (
    "update transactions set quantity = $2, updated_at = clock_timestamp(), written_in = $3 where id = $1 "
    "returning array[quantity::text, updated_at::text, written_in]"
)
ROWS = (
    "select coalesce(jsonb_object_agg(id, array[quantity::text, updated_at::text, written_in]), '{}')::text "
    "from transactions"
)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[MainTable]:
    """A main table."""
    table = MainTable(LabPlan(directory / "lab", scale=0.2, aws_port=5000, dns_port=5353, load_port=8089))
    await table.start()
    yield table
    await table.stop()


async def reset(table: MainTable) -> None:
    """Nothing is held back."""
    table.release()


@inside
async def test_starts_empty_with_the_lag_of_the_plan(table):
    status = await table.status()
    assert (status["lag_s"], status["held"]) == (0.1, False)
    assert [region["up"] for region in status["regions"].values()] == [True, True]
    assert await both(table) == ["{}", "{}"]


@inside
async def test_each_region_learns_of_the_others_writes_after_the_lag(table):
    for lag_s, (here, there) in itertools.product((0.4, 0.05), ((TOKYO, OSAKA), (OSAKA, TOKYO))):
        table.set_lag(lag_s)
        took_s = [await arrival_s(table, here, there)]
        while min(took_s) >= lag_s + 0.3 and len(took_s) < 20:  # a busy machine delays some, never all
            took_s.append(await arrival_s(table, here, there))
        assert lag_s <= min(took_s) < lag_s + 0.3, f"arrived after {took_s} s with a lag of {lag_s} s"


@inside
async def test_what_is_held_back_arrives_only_after_the_release(table):
    table.hold()
    written = [(await accept(table, TOKYO), OSAKA), (await accept(table, OSAKA), TOKYO)]
    await asyncio.sleep(0.4)  # that nothing happens can only be seen by waiting
    for transaction, there in written:
        assert not await has(table, there, transaction), f"{there} learned of what is held back"
    status = await table.status()
    assert status["held"]
    assert all(region["waiting_bytes"] > 0 for region in status["regions"].values())
    table.release()
    for transaction, there in written:
        await arrives(table, there, transaction)
    assert not (await table.status())["held"]


@inside
async def test_a_pause_begins_later_and_ends_by_itself_or_earlier(table):
    table.pause("short", after_s=0.2, duration_s=0.6)
    table.pause("ended", after_s=0.2, duration_s=600)
    table.pause("never", after_s=0.2, duration_s=0.1)
    assert not table.held, "it has not begun"
    while not table.held:
        await asyncio.sleep(0.01)
    transaction = await accept(table, TOKYO)
    table.resume("ended")
    assert table.held, "the other one still holds it"
    assert not await has(table, OSAKA, transaction)
    await arrives(table, OSAKA, transaction)
    assert not table.held
    table.resume("ended")  # once more changes nothing


@inside
async def test_a_pause_leaves_what_somebody_else_holds(table):
    table.hold()
    table.pause("one", after_s=0, duration_s=600)
    await asyncio.sleep(0)
    table.resume("one")
    assert table.held


@inside
async def test_the_latency_is_that_of_writes_that_arrive(table):
    table.set_lag(0.3)
    while (await table.latencies_s())[TOKYO] is None:
        await arrival_s(table, TOKYO, OSAKA)
    assert (await table.latencies_s())[TOKYO] >= 0.3
    table.hold()
    assert await table.latencies_s() == {TOKYO: None, OSAKA: None}


@inside
async def test_concurrent_updates_of_one_row_end_as_the_last_one_on_both_sides(table):
    rows = [await accept(table, TOKYO) for _ in range(10)]
    await arrives(table, OSAKA, rows[-1])
    table.hold()
    last = {}
    for row, regions in zip(rows, itertools.cycle([(TOKYO, OSAKA), (OSAKA, TOKYO), (TOKYO, OSAKA, TOKYO)])):
        for region in regions:
            last[str(row)] = await update(table, region, row)
    table.release()
    await converges_to(table, last)


@inside
async def test_updates_at_full_speed_on_both_sides_converge_to_the_last_ones(table):
    table.set_lag(0.05)
    rows = [await accept(table, OSAKA) for _ in range(5)]
    await arrives(table, TOKYO, rows[-1])
    written: dict[str, list[list[str]]] = {str(row): [] for row in rows}

    async def keep_updating(region: str) -> None:
        async with table.server(region).session() as session:
            for quantity in range(1, 301):
                row = random.choice(rows)
                written[str(row)].append(await session.fetchval(UPDATE, row, quantity, region))

    await asyncio.gather(*(keep_updating(region) for region in (TOKYO, OSAKA, TOKYO, OSAKA)))
    await converges_to(table, {row: max(writes, key=lambda write: write[1:]) for row, writes in written.items()})


@inside
async def test_the_same_item_put_in_both_regions_ends_as_the_later_one(table):
    table.hold()
    earlier_in_tokyo, earlier_in_osaka = uuid.uuid4(), uuid.uuid4()
    for item, regions in ((earlier_in_tokyo, (TOKYO, OSAKA)), (earlier_in_osaka, (OSAKA, TOKYO))):
        for region in regions:
            assert await table.server(region).ask(ACCEPT, item, uuid.uuid4().hex, region)
    last = {
        str(earlier_in_tokyo): await row_of(table, OSAKA, earlier_in_tokyo),
        str(earlier_in_osaka): await row_of(table, TOKYO, earlier_in_osaka),
    }
    table.release()
    await converges_to(table, last)


@inside
async def test_an_older_update_that_arrives_late_does_not_win(table):
    row = await accept(table, TOKYO)
    await arrives(table, OSAKA, row)
    table.hold()
    await update(table, TOKYO, row)
    last = await update(table, OSAKA, row)
    table.release()
    await converges_to(table, {str(row): last})
    assert last[2] == OSAKA


@inside
async def test_replication_survives_the_death_of_a_server(table):
    await table.server(OSAKA).kill()
    transaction = await accept(table, TOKYO)
    assert (await table.status())["regions"][OSAKA] == {"up": False, "waiting_bytes": None}
    await table.server(OSAKA).start()
    await arrives(table, OSAKA, transaction)
    await arrives(table, TOKYO, await accept(table, OSAKA))


@inside
async def test_impossible_lags_and_regions_are_refused(table):
    with fails_with("argument-invalid"):
        table.set_lag(-1)
    with fails_with("region-unknown"):
        table.server("eu-west-1")


async def accept(table: MainTable, region: str) -> uuid.UUID:
    transaction = uuid.uuid4()
    assert await table.server(region).ask(ACCEPT, transaction, uuid.uuid4().hex, region)
    return transaction


async def update(table: MainTable, region: str, row: uuid.UUID) -> list[str]:
    written: list[str] = await table.server(region).ask(UPDATE, row, random.randint(1, 10**6), region)
    return written


async def has(table: MainTable, region: str, row: uuid.UUID) -> bool:
    return bool(await table.server(region).ask("select exists (select from transactions where id = $1)", row))


async def row_of(table: MainTable, region: str, row: uuid.UUID) -> list[str]:
    query = "select array[quantity::text, updated_at::text, written_in] from transactions where id = $1"
    found: list[str] = await table.server(region).ask(query, row)
    return found


async def both(table: MainTable) -> list[str]:
    return [await table.server(region).ask(ROWS) for region in (TOKYO, OSAKA)]


async def arrival_s(table: MainTable, here: str, there: str) -> float:
    """:returns: how long a write takes from one region to the other, in seconds."""
    began = time.monotonic()
    await arrives(table, there, await accept(table, here))
    return time.monotonic() - began


async def arrives(table: MainTable, region: str, row: uuid.UUID) -> None:
    async with asyncio.timeout(LONG_S), table.server(region).session() as session:
        while not await session.fetchval("select exists (select from transactions where id = $1)", row):
            await asyncio.sleep(0.005)


async def converges_to(table: MainTable, last: dict[str, list[str]]) -> None:
    """Wait until nothing is on its way, then both sides are the same and hold the last writes."""
    async with asyncio.timeout(LONG_S):
        while any(region["waiting_bytes"] for region in (await table.status())["regions"].values()):
            await asyncio.sleep(0.02)
    tokyo, osaka = await both(table)
    assert tokyo == osaka, "the two sides differ"
    for row, written in last.items():
        for region in (TOKYO, OSAKA):
            held = await row_of(table, region, uuid.UUID(row))
            assert held == written, f"{region} holds {held}, but {written} was written last"
