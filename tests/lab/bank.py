"""The application's surroundings for its tests: both stores, both regions' processes, and DynamoDB's boundary."""

import asyncio
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from chaosdrill.lab.database import GlobalDatabase
from chaosdrill.lab.main_table import MainTable
from chaosdrill.lab.plan import LabPlan, RegionPlan
from tests.waiting import LONG_S

ROOT = Path(__file__).parents[2]
PORT = 5000


class Flags:
    """An HTTP server that answers GetItem for the flag tables as DynamoDB does. Values are set by region."""

    def __init__(self, plan: LabPlan) -> None:
        self._tables = {region.name: region.flag_table for region in plan.regions}
        self.at_rest = {plan.home.name: "false", plan.standby.name: "true"}
        self.values = dict(self.at_rest)
        self.reads = dict.fromkeys(self.values, 0)
        self.delay_s = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/dynamodb/aws4_request", request.headers["Authorization"])
        assert scope
        assert request.headers["X-Amz-Target"] == "DynamoDB_20120810.GetItem"
        region, asked = scope[1], json.loads(await request.read())
        assert (asked["TableName"], asked["Key"]) == (self._tables[region], {"PK": {"S": "stopFlag"}})
        self.reads[region] += 1
        await asyncio.sleep(self.delay_s)
        if self.values[region] == "unreadable":
            return web.json_response({"__type": "InternalServerError", "message": "it is down"}, status=500)
        return web.json_response({"Item": {"PK": {"S": "stopFlag"}, "value": {"S": self.values[region]}}})


class World:
    """Everything the tests touch."""

    def __init__(self, plan: LabPlan, database: GlobalDatabase, main_table: MainTable, flags: Flags) -> None:
        self.plan = plan
        self.database = database
        self.main_table = main_table
        self.flags = flags
        self.applications: dict[str, asyncio.subprocess.Process] = {}
        self.http: aiohttp.ClientSession

    async def set_flag(self, region: RegionPlan, value: str) -> None:
        """Set a region's flag (true, false, unreadable) and wait until nobody believes another value."""
        self.flags.values[region.name] = value
        await asyncio.sleep(self.plan.flag_cache_s + 0.1)

    async def rest(self) -> None:
        """Tokyo open and the writer, Osaka closed."""
        if self.flags.values != self.flags.at_rest or self.flags.delay_s:
            self.flags.values, self.flags.delay_s = dict(self.flags.at_rest), 0.0
            await asyncio.sleep(max(self.plan.flag_cache_s, 1.0) + 0.1)  # 1 s: how long blindness is believed
        async with asyncio.timeout(LONG_S):
            while (writer := await self.database.writer()) is None:  # a server that is slow to respond counts as down
                await asyncio.sleep(0.02)
        if writer != self.plan.home.name:
            await self.database.switchover(self.plan.home.name)

    async def request(
        self, method: str, path: str, account: str | None, region: RegionPlan | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Ask a region (home). Every answer must name it.

        :returns: the status, and the JSON or the text.
        """
        region = region or self.plan.home
        headers = {} if account is None else {"X_ACCOUNT_ID": account}
        url = f"http://{region.load_balancer_addresses[0]}{path}"
        async with self.http.request(method, url, headers=headers, **options) as answer:
            assert answer.headers.getall("X-Region") == [region.name]
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def post(self, kind: str, account: str, quantity: int, region: RegionPlan | None = None) -> str:
        """Post a transaction that is accepted.

        :returns: its id.
        """
        status, body = await self.request("POST", f"/transaction/{kind}", account, region, json={"quantity": quantity})
        assert status == 200, body
        return str(body["transactionId"])

    async def finished(self, account: str, transaction: str, region: RegionPlan | None = None) -> str:
        """Wait until a transaction is not pending any more.

        :returns: its status.
        """
        async with asyncio.timeout(LONG_S):
            while True:
                code, body = await self.request("GET", f"/transaction/{transaction}", account, region)
                assert code in (200, 404), body  # 404: not replicated yet
                if code == 200 and body["status"] != "status#pending":
                    return str(body["status"])
                await asyncio.sleep(0.02)

    async def transact(self, kind: str, account: str, quantity: int) -> str:
        """Post a transaction and wait for its end."""
        return await self.finished(account, await self.post(kind, account, quantity))

    async def balance(self, account: str, region: RegionPlan | None = None) -> int:
        status, body = await self.request("GET", "/balance", account, region)
        assert status == 200, body
        assert body["accountId"] == account
        return int(body["balance"])

    async def start_application(self, region: RegionPlan) -> None:
        """Start a region's application and wait until it answers."""
        plan = self.plan.directory / "plan.json"
        self.plan.save(plan)
        with (self.plan.directory / "logs" / f"application-{region.city}.log").open("ab") as log:
            self.applications[region.name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chaosdrill.lab.application", plan, region.name, stdout=log, stderr=log, cwd=ROOT
            )
        async with asyncio.timeout(LONG_S):
            while True:
                try:
                    assert await self.request("GET", "/health", None, region) == (200, "ok")
                    return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)

    async def restart_application(self, region: RegionPlan) -> None:
        """Start it again, with the plan as it is now."""
        self.applications[region.name].terminate()
        await asyncio.wait_for(self.applications[region.name].wait(), LONG_S)
        await self.start_application(region)


@asynccontextmanager
async def bank(directory: Path) -> AsyncIterator[World]:
    """Both regions, Tokyo open and Osaka closed, as at rest."""
    ports = {"aws_port": PORT, "dns_port": 5353, "load_port": 8089}
    plan = LabPlan(directory / "lab", scale=0.05, **ports, lenient=("region-header",))
    world = World(plan, GlobalDatabase(plan), MainTable(plan), Flags(plan))
    dynamodb = web.Application()
    dynamodb.router.add_post("/", world.flags.answer)
    runner = web.AppRunner(dynamodb, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, plan.services_address, PORT).start()
    await asyncio.gather(world.database.start(), world.main_table.start())
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LONG_S)) as world.http:
        await asyncio.gather(*map(world.start_application, plan.regions))
        yield world
        for application in world.applications.values():
            application.terminate()
            assert await asyncio.wait_for(application.wait(), LONG_S) == 0
    await asyncio.gather(world.database.stop(), world.main_table.stop())
    await runner.cleanup()


def new_account() -> str:
    return f"account-{uuid.uuid4()}"
