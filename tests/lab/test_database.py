"""The global database: real servers change roles under load, die, hang, and come back."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from chaosdrill.errors import LabError
from chaosdrill.lab.database import GlobalDatabase, global_database
from chaosdrill.lab.plan import HOME, STANDBY, LabPlan
from chaosdrill.lab.postgres import Server
from chaosdrill.lab.postgres.server import TROUBLE
from tests.failing import fails_with
from tests.lab.inside import inside, namespaces  # noqa: F401 - the fixture
from tests.waiting import LONG_S, until

TOKYO, OSAKA = HOME.name, STANDBY.name
AT_REST = {
    "writer": TOKYO,
    "regions": {TOKYO: {"up": True, "role": "primary"}, OSAKA: {"up": True, "role": "standby"}},
}
numbers = itertools.count(1)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[GlobalDatabase]:
    """A global database with one more table."""
    database = GlobalDatabase(LabPlan(directory / "lab", scale=0.2, aws_port=5000, dns_port=5353, load_port=8089))
    yield database
    await database.stop()


async def reset(database: GlobalDatabase) -> None:
    """Both regions up, Tokyo the writer."""
    if await database.status() != AT_REST:
        await database.stop()
        await database.start()
        await database.server(TOKYO).execute("create table written (number int primary key)")


@inside
async def test_starts_with_home_as_writer_and_a_standby_that_reads_but_does_not_write(database):
    assert await database.status() == AT_REST
    number = await write(database.server(TOKYO))
    await until_holds(database.server(OSAKA), {number})
    await refuses(database.server(OSAKA).execute("insert into written values (0)"), "lab-query-failed", "read-only")


@inside
async def test_a_switchover_under_concurrent_writes_loses_nothing(database):
    committed: set[int] = set()
    ending = asyncio.Event()
    writers = [asyncio.create_task(write_on(database, committed, ending)) for _ in range(8)]
    await until(lambda: len(committed) > 100)
    before = len(committed)
    await database.switchover(OSAKA)
    await until(lambda: len(committed) > before + 100)
    ending.set()
    await asyncio.gather(*writers)
    assert await database.writer() == OSAKA
    for region in (OSAKA, TOKYO):
        await until_holds(database.server(region), committed)
    await database.switchover(TOKYO)
    assert await database.writer() == TOKYO
    await until_holds(database.server(TOKYO), committed)


@inside
async def test_a_switchover_that_makes_no_sense_is_refused_and_changes_nothing(database):
    await refuses(database.switchover(TOKYO), "writer-already")
    await refuses(database.failover(TOKYO), "writer-already")
    await refuses(database.switchover("eu-west-1"), "region-unknown")
    assert await database.writer() == TOKYO


@inside
async def test_a_switchover_to_a_standby_that_does_not_take_the_rest_leaves_the_writer_writing(database):
    receivers = running(database.server(OSAKA), "walreceiver")
    allowed, global_database.CLEAN_STOP_TIMEOUT_S = global_database.CLEAN_STOP_TIMEOUT_S, 0.5
    send(receivers, signal.SIGSTOP)
    try:
        number = await write(database.server(TOKYO))
        await refuses(database.switchover(OSAKA), "lab-database-late", "database-tokyo")
    finally:
        send(receivers, signal.SIGCONT)
        global_database.CLEAN_STOP_TIMEOUT_S = allowed
    assert await database.writer() == TOKYO
    await until_holds(database.server(OSAKA), {number, await write(database.server(TOKYO))})


@inside
async def test_a_failover_from_a_killed_writer_loses_what_was_not_replicated_and_rejoins_it(database):
    old, new = database.server(TOKYO), database.server(OSAKA)
    kept, lost = await diverge(old, new)
    os.kill(int((old.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    await database.failover(OSAKA)
    await check_rejoined(database, OSAKA, kept, lost)


@inside
async def test_a_failover_from_a_hanging_writer_does_not_wait_for_it(database):
    old, new = database.server(TOKYO), database.server(OSAKA)
    kept, lost = await diverge(old, new)
    send(old.processes(), signal.SIGSTOP)
    assert (await database.status())["regions"][TOKYO] == {"up": False, "role": "down"}
    began = time.monotonic()
    await database.failover(OSAKA)
    assert time.monotonic() - began < global_database.CLEAN_STOP_TIMEOUT_S, "the failover waited for the hanging writer"
    await check_rejoined(database, OSAKA, kept, lost)


@inside
async def test_after_a_failover_a_living_old_writer_cannot_write_any_more(database):
    old = database.server(TOKYO)
    connection = await old.connect()
    kept, lost = {next(numbers)}, {next(numbers)}
    await connection.execute("insert into written values ($1)", *kept)
    await until_holds(database.server(OSAKA), kept)
    await database.failover(OSAKA)
    with pytest.raises(TROUBLE):
        await connection.execute("insert into written values ($1)", *lost)
    await check_rejoined(database, OSAKA, kept, lost)


@inside
async def test_an_old_writer_that_cannot_be_rewound_is_copied_anew(database):
    kept = {await write(database.server(TOKYO))}
    await until_holds(database.server(OSAKA), kept)
    await database.server(TOKYO).kill()
    for segment in (database.server(TOKYO).data / "pg_wal").glob("0*"):
        segment.unlink()
    await database.failover(OSAKA)
    await check_rejoined(database, OSAKA, kept, set())


@inside
async def test_a_region_that_is_down_is_named_and_nothing_is_changed(database):
    standby = database.server(OSAKA)
    await standby.kill()
    assert await database.status() == {
        "writer": TOKYO,
        "regions": {TOKYO: {"up": True, "role": "primary"}, OSAKA: {"up": False, "role": "down"}},
    }
    await refuses(database.switchover(OSAKA), "lab-database-down", "database-osaka")
    await refuses(database.failover(OSAKA), "lab-database-down", "database-osaka")
    await write(database.server(TOKYO))
    await standby.start(standby_of=database.server(TOKYO).conninfo)
    await database.server(TOKYO).kill()
    await refuses(database.switchover(OSAKA), "lab-database-down", "database-tokyo")
    await database.server(TOKYO).start()


@inside
async def test_a_stale_pid_file_whose_number_lives_does_not_block_a_start(database):
    server = database.server(TOKYO)
    written = (server.data / "postmaster.pid").read_text().splitlines()
    await server.kill()
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *written[1:], ""]))
    await server.start()
    await write(server)


@pytest.mark.long
@inside
async def test_a_new_lab_over_the_leftovers_of_a_dead_one_starts_fresh(database):
    await database.switchover(OSAKA)
    for region in (TOKYO, OSAKA):
        send(database.server(region).processes(), signal.SIGKILL)
    await database.start()
    assert await database.server(TOKYO).ask("select count(*) from account") == 0
    await refuses(database.server(TOKYO).ask("select count(*) from written"), "lab-query-failed", "does not exist")
    assert await database.writer() == TOKYO


async def write(server: Server) -> int:
    """Commit a row."""
    number = next(numbers)
    await server.ask("insert into written values ($1)", number)
    return number


async def write_on(database: GlobalDatabase, committed: set[int], ending: asyncio.Event) -> None:
    """Commit rows, wherever that is possible, and remember which were acknowledged."""
    for region in itertools.cycle((TOKYO, OSAKA)):
        try:
            async with database.server(region).session() as session:
                while not ending.is_set():
                    number = next(numbers)
                    await session.execute("insert into written values ($1)", number)
                    committed.add(number)
        except LabError:
            await asyncio.sleep(0.01)  # down or a standby: try the other
        if ending.is_set():
            return


async def diverge(old: Server, new: Server) -> tuple[set[int], set[int]]:
    """Commit rows that ``new`` has, and then rows that it never will. Both sets."""
    kept = {await write(old) for _ in range(10)}
    await until_holds(new, kept)
    send(running(old, "walsender"), signal.SIGSTOP)
    return kept, {await write(old) for _ in range(10)}


async def check_rejoined(database: GlobalDatabase, writer: str, kept: set[int], lost: set[int]) -> None:
    """The old writer follows the new one and holds exactly what that has."""
    kept.add(await write(database.server(writer)))
    await database.rejoined()
    [other] = {TOKYO, OSAKA} - {writer}
    assert await database.status() == {
        "writer": writer,
        "regions": {writer: {"up": True, "role": "primary"}, other: {"up": True, "role": "standby"}},
    }
    kept.add(await write(database.server(writer)))
    await until_holds(database.server(other), kept)
    for region in (TOKYO, OSAKA):
        assert not lost & await held(database.server(region)), f"{region} holds what was lost"


def running(server: Server, kind: str) -> list[int]:
    """Numbers of a server's processes of one kind."""
    return [p for p in server.processes() if kind in Path(f"/proc/{p}/cmdline").read_text()]


def send(processes: list[int], number: int) -> None:
    assert processes, "no process to send a signal to"
    for process in processes:
        with suppress(ProcessLookupError):  # a server's helpers come and go, and end with it
            os.kill(process, number)


async def held(server: Server) -> set[int]:
    if await server.ask("select to_regclass('written') is null"):  # a standby that has not come so far yet
        return set()
    return set(await server.ask("select coalesce(array_agg(number), '{}') from written"))


async def until_holds(server: Server, wanted: set[int]) -> None:
    """Wait (replication takes a moment) until a server holds all of the rows."""
    deadline = time.monotonic() + LONG_S
    while missing := wanted - await held(server):
        assert time.monotonic() < deadline, f"{server.name} misses {len(missing)} of {len(wanted)} committed rows"
        await asyncio.sleep(0.01)


async def refuses(attempt, code: str, value: str = "") -> None:
    with fails_with(code) as refused:
        await attempt
    assert value in str(refused.value)
