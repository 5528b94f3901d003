"""The application: its whole HTTP interface, the worker, the stop flag, and stores in trouble."""

import asyncio
import os
import signal
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaosdrill.lab.application.stop_flag import READ_TIMEOUT_S
from chaosdrill.lab.application.stores import RegionStore
from tests.lab.bank import World, bank, new_account
from tests.lab.inside import inside, namespaces  # noqa: F401 - the fixture
from tests.waiting import LONG_S, until

world = bank  # what runs inside


async def reset(world: World) -> None:
    """Tokyo open and the writer, Osaka closed."""
    await world.rest()


@inside
async def test_a_deposit_is_accepted_settled_and_in_the_balance(world: World):
    account = new_account()
    assert await world.balance(account) == 0
    transaction = await world.post("deposit", account, 1000)
    assert str(uuid.UUID(transaction)) == transaction
    assert await world.finished(account, transaction) == "status#success"
    assert await world.balance(account) == 1000
    _, body = await world.request("GET", f"/transaction/{transaction}", account)
    assert set(body) == {"status", "updatedAt"}
    assert abs(datetime.fromisoformat(body["updatedAt"]) - datetime.now(UTC)) < timedelta(seconds=5)


@inside
async def test_the_fourth_withdrawal_costs_a_fee_and_one_that_is_not_covered_rolls_back(world: World):
    account = new_account()
    assert await world.transact("withdraw", account, 1) == "status#success_rollback"
    await world.transact("deposit", account, 1000)
    for balance in (950, 900, 850):
        assert await world.transact("withdraw", account, 50) == "status#success"
        assert await world.balance(account) == balance
    assert await world.transact("withdraw", account, 50) == "status#success"
    assert await world.balance(account) == 700
    assert await world.transact("withdraw", account, 601) == "status#success_rollback"  # 601 + 100 is not covered
    assert await world.balance(account) == 700
    assert await world.transact("withdraw", account, 600) == "status#success"
    assert await world.balance(account) == 0


@inside
async def test_both_addresses_answer_and_a_header_name_with_underscores_arrives(world: World):
    for region in world.plan.regions:
        for address in region.load_balancer_addresses:
            reader, writer = await asyncio.open_connection(address, 80)
            writer.write(b"GET /balance HTTP/1.1\r\nHost: api.example.com\r\nX_ACCOUNT_ID: a_b\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert f"X-Region: {region.name}\r\n" in head
            if region == world.plan.home:
                assert head.startswith("HTTP/1.1 200 OK\r\n"), head
                balance = b'{"balance": 0, "accountId": "a_b"}'
                assert await reader.readexactly(len(balance)) == balance
            else:  # without the account it would be 400; its database waits for a promotion
                assert head.startswith("HTTP/1.1 500 "), head
            writer.close()


@inside
async def test_bad_requests_are_told_what_is_wrong(world: World):
    account = new_account()
    for body in ("", "x", "[]", "{}", '{"quantity": null}', '{"quantity": "5"}', '{"quantity": 0}', '{"quantity": -5}',
                 '{"quantity": 1.5}', '{"quantity": true}', '{"quantity": 1000000000001}'):  # fmt: skip
        status, text = await world.request("POST", "/transaction/deposit", account, data=body)
        assert status == 400, f"{body} was answered {status}: {text}"
        assert "quantity" in text
    for method, path in (
        ("POST", "/transaction/withdraw"),
        ("GET", f"/transaction/{uuid.uuid4()}"),
        ("GET", "/balance"),
    ):
        for missing in (None, " ", "x" * 300):
            status, text = await world.request(method, path, missing, data='{"quantity": 5}')
            assert status == 400, f"{path} was answered {status}: {text}"
            assert "X_ACCOUNT_ID" in text
    assert (await world.request("POST", "/transaction/transfer", account, data='{"quantity": 5}'))[0] == 405
    assert (await world.request("GET", "/nothing", account))[0] == 404


@inside
async def test_a_transaction_is_shown_to_its_own_account_only(world: World):
    account = new_account()
    transaction = await world.post("deposit", account, 5)
    for who, which in ((new_account(), transaction), (account, uuid.uuid4()), (account, "no-uuid")):
        status, text = await world.request("GET", f"/transaction/{which}", who)
        assert (status, who in text, str(which) in text) == (404, True, True)


@inside
async def test_one_pending_transaction_an_account_however_many_ask_at_once(world: World):
    await world.set_flag(world.plan.home, "unreadable")  # requests open, worker closed
    accounts = [new_account() for _ in range(5)]
    posts = [(account, kind) for account in accounts for kind in ("deposit", "withdraw") * 5]
    answers = await asyncio.gather(
        *(world.request("POST", f"/transaction/{kind}", account, json={"quantity": 5}) for account, kind in posts)
    )
    for account in accounts:
        statuses = sorted(status for (who, _), (status, _) in zip(posts, answers, strict=True) if who == account)
        assert statuses == [200] + [429] * 9


@inside
async def test_an_unreadable_flag_opens_requests_and_closes_the_worker(world: World):
    await world.set_flag(world.plan.home, "unreadable")
    account = new_account()
    transaction = await world.post("deposit", account, 5)
    await asyncio.sleep(5 * world.plan.settle_s)  # that the worker does nothing can only be seen by waiting
    assert (await world.request("GET", f"/transaction/{transaction}", account))[1]["status"] == "status#pending"
    await world.set_flag(world.plan.home, "false")
    assert await world.finished(account, transaction) == "status#success"


@inside
async def test_a_stopped_region_answers_503_to_transactions_and_settles_nothing(world: World):
    await world.set_flag(world.plan.home, "unreadable")
    account = new_account()
    transaction = await world.post("deposit", account, 5)
    await world.set_flag(world.plan.home, "true")
    for method, path in (("POST", "/transaction/deposit"), ("GET", f"/transaction/{transaction}")):
        status, text = await world.request(method, path, account, json={"quantity": 5})
        assert (status, "ap-northeast-1" in text) == (503, True), text
    assert await world.balance(account) == 0
    assert await world.request("GET", "/health", None) == (200, "ok")
    await asyncio.sleep(5 * world.plan.settle_s)
    assert (
        await world.database.server(world.plan.home.name).ask(
            "select count(*) from settlement where account_id = $1", account
        )
        == 0
    )
    await world.set_flag(world.plan.home, "false")
    assert await world.finished(account, transaction) == "status#success"


@inside
async def test_the_flag_is_believed_for_the_cache_time_and_no_longer(world: World):
    believed_s = [await believed_for_s(world)]
    while min(believed_s) >= world.plan.flag_cache_s + 0.2 and len(believed_s) < 20:  # a busy machine delays some
        await world.set_flag(world.plan.home, "false")
        believed_s.append(await believed_for_s(world))
    assert min(believed_s) < world.plan.flag_cache_s + 0.2, "requests that came later were let through"


async def believed_for_s(world: World) -> float:
    """:returns: how long after its flag was set the region let a request through for the last time."""
    account, path = new_account(), f"/transaction/{uuid.uuid4()}"
    reads, began = world.flags.reads[world.plan.home.name], time.monotonic()
    changed_at = began
    asked_at: list[float] = []
    status = 404
    while status != 503:
        asked_at.append(time.monotonic())
        if changed_at == began and asked_at[-1] - began > 2 * world.plan.flag_cache_s:
            world.flags.values[world.plan.home.name], changed_at = "true", asked_at[-1]
        status, _ = await world.request("GET", path, account)
        assert asked_at[-1] - began < LONG_S, "never closed"
    reads = world.flags.reads[world.plan.home.name] - reads
    expected = (time.monotonic() - began) / world.plan.flag_cache_s
    assert reads <= expected + 2, f"{reads} reads in {expected:.1f} cache times"
    return asked_at[-2] - changed_at


@inside
async def test_a_slow_aws_endpoint_costs_a_second_now_and_then_and_opens_requests(world: World):
    world.flags.delay_s = 30.0
    await asyncio.sleep(world.plan.flag_cache_s)
    account, path = new_account(), f"/transaction/{uuid.uuid4()}"
    took = []
    for _ in range(20):
        began = time.monotonic()
        status, _ = await world.request("GET", path, account)
        took.append(time.monotonic() - began)
        assert status == 404
    assert max(took) < 25
    assert sorted(took)[10] < READ_TIMEOUT_S, "most requests waited for AWS"


@inside
async def test_a_region_whose_database_is_a_standby_answers_500_until_it_is_promoted(world: World):
    tokyo, osaka = world.plan.regions
    await world.set_flag(osaka, "false")
    account = new_account()
    await world.transact("deposit", account, 70)
    calls = (("GET", "/balance", {}), ("POST", "/transaction/deposit", {"json": {"quantity": 5}}))
    for method, path, options in calls:
        status, text = await world.request(method, path, account, osaka, **options)
        assert (status, "ap-northeast-3" in text) == (500, True), text
    await world.database.switchover(osaka.name)
    assert await world.balance(account, osaka) == 70
    status, text = await world.request("GET", "/balance", account, tokyo)
    assert (status, "ap-northeast-1" in text) == (500, True), text
    await world.rest()


@inside
async def test_a_lenient_standby_reads_its_copy_and_writes_nothing(world: World):
    osaka = world.plan.standby
    strict = world.plan
    world.plan = replace(strict, lenient=(*strict.lenient, "standby-reads"))
    await world.restart_application(osaka)
    try:
        await world.set_flag(osaka, "false")
        account = new_account()
        await world.transact("deposit", account, 70)
        async with asyncio.timeout(LONG_S):
            while await world.balance(account, osaka) != 70:
                await asyncio.sleep(0.02)
        status, text = await world.request("POST", "/transaction/deposit", account, osaka, json={"quantity": 5})
        assert (status, "read-only" in text) == (500, True), text
    finally:
        world.plan = strict
        await world.restart_application(osaka)


@inside
async def test_transactions_are_settled_one_after_the_other(world: World):
    accounts = [new_account() for _ in range(10)]
    posted = [(account, await world.post("withdraw", account, 1)) for account in accounts]
    for account, transaction in posted:
        await world.finished(account, transaction)
    query = (
        "select min(gap) from (select extract(epoch from updated_at - lag(updated_at) over (order by updated_at)) "
        "as gap from transactions where account_id = any($1)) gaps"
    )
    apart_s = await world.main_table.server(world.plan.home.name).ask(query, accounts)
    assert float(apart_s) >= world.plan.settlement.cost_s["withdraw"] > 0


@inside
async def test_settling_again_changes_nothing(world: World):
    """What a worker does that died after it had settled and before it had said so."""
    account = new_account()
    await world.transact("deposit", account, 1000)
    rolled_back, succeeded = await world.post("withdraw", account, 1001), None
    assert await world.finished(account, rolled_back) == "status#success_rollback"
    await world.transact("deposit", account, 1)
    succeeded = await world.post("withdraw", account, 10)
    assert await world.finished(account, succeeded) == "status#success"
    for transaction, outcome in ((rolled_back, "status#success_rollback"), (succeeded, "status#success")):
        await world.main_table.server(world.plan.home.name).ask(
            "update transactions set status = 'status#pending', updated_at = clock_timestamp() where id = $1",
            transaction,
        )
        assert await world.finished(account, transaction) == outcome
        assert await world.balance(account) == 991
    query = "select withdrawals from account where account_id = $1"
    assert await world.database.server(world.plan.home.name).ask(query, account) == 1


@inside
async def test_what_one_region_accepted_the_other_finishes_after_a_switchover(world: World):
    tokyo, osaka = world.plan.regions
    await world.set_flag(tokyo, "unreadable")
    account = new_account()
    transaction = await world.post("deposit", account, 1000)
    await world.set_flag(tokyo, "true")
    await world.database.switchover(osaka.name)
    await world.set_flag(osaka, "false")
    assert await world.finished(account, transaction, osaka) == "status#success"
    assert await world.balance(account, osaka) == 1000
    assert await world.finished(account, await world.post("withdraw", account, 1, osaka), osaka) == "status#success"
    query = "select status from transactions where id = $1"
    async with asyncio.timeout(LONG_S):
        while await world.main_table.server(tokyo.name).ask(query, uuid.UUID(transaction)) != "status#success":
            await asyncio.sleep(0.02)
    await world.rest()
    await world.transact("deposit", account, 1)
    assert await world.balance(account) == 1000


@inside
async def test_stores_that_die_or_hang_are_answered_5xx_in_time_and_used_again_when_back(world: World):
    account = new_account()
    await world.transact("deposit", account, 5)
    for store, path in ((world.database, "/balance"), (world.main_table, f"/transaction/{uuid.uuid4()}")):
        server = store.server(world.plan.home.name)
        used = (await world.request("GET", path, account))[0]
        hanging = server.processes()
        for process in hanging:
            os.kill(process, signal.SIGSTOP)
        try:
            began = time.monotonic()
            answers = await asyncio.gather(*(world.request("GET", path, account) for _ in range(10)))
            assert {status for status, _ in answers} == {500}
            assert time.monotonic() - began < 30
            status, text = await world.request("POST", "/transaction/deposit", account, json={"quantity": 5})
            assert status in (500, 504), text
        finally:
            for process in hanging:
                os.kill(process, signal.SIGCONT)
        await comes_back(world, path, account, used)
        await server.kill()
        status, text = await world.request("GET", path, account)
        # a connection in use when the server went away says "stopped answering", a new one "cannot be reached"
        assert (status, "of ap-northeast-1" in text) == (500, True), text
        await server.start()
        await comes_back(world, path, account, used)
    await world.transact("deposit", new_account(), 5)


@inside
async def test_a_query_that_is_cancelled_while_its_store_hangs_raises_nothing_else(world: World):
    """It did once, and the worker, which ends all its queries when one gets no response, ended with it."""
    home = world.plan.home
    async with RegionStore("database", home.name, home.database_address) as store:
        await store.fetch_value("select 1")
        hanging = world.database.server(home.name).processes()
        for process in hanging:
            os.kill(process, signal.SIGSTOP)
        try:
            query = asyncio.create_task(store.fetch_value("select 1"))
            await until(lambda: store._pool.get_idle_size() == 0)
            query.cancel()
            with pytest.raises(asyncio.CancelledError):
                await query
        finally:
            for process in hanging:
                os.kill(process, signal.SIGCONT)


@pytest.mark.long
@inside
async def test_an_application_ends_gracefully_and_quickly(world: World):
    application = world.applications[world.plan.standby.name]
    began = time.monotonic()
    application.terminate()
    assert await asyncio.wait_for(application.wait(), LONG_S) == 0
    assert time.monotonic() - began < 30
    log = (world.plan.directory / "logs" / "application-osaka.log").read_text()
    assert "Traceback" not in log, log
    await world.start_application(world.plan.standby)


async def comes_back(world: World, path: str, account: str, status: int) -> None:
    async with asyncio.timeout(LONG_S):
        while (await world.request("GET", path, account))[0] != status:
            await asyncio.sleep(0.05)
