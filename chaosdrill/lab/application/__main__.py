"""Serve one region's application until SIGTERM."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from chaosdrill.lab.application.bank import Bank
from chaosdrill.lab.application.http_interface import application
from chaosdrill.lab.application.stop_flag import RegionStopFlag
from chaosdrill.lab.application.stores import RegionStore
from chaosdrill.lab.application.worker import Worker
from chaosdrill.lab.plan import LabPlan, RegionPlan

PORT = 80
KEEP_ALIVE_S = 3600.0  # default "HTTP client keepalive duration" of an ALB
FINISH_REQUESTS_S = 1.0
LENIENT_READS = "standby-reads"


async def serve(plan: LabPlan, region: RegionPlan) -> None:
    """Serve requests and settle transactions until this process receives SIGTERM or SIGINT."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with (
        # a kept connection that AWS has closed would make the flag unreadable, and so open a closed region
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        RegionStore("database", region.name, region.database_address, LENIENT_READS not in plan.lenient) as database,
        RegionStore("main table", region.name, region.main_table_address) as main_table,
    ):
        flag = RegionStopFlag(http, plan.aws_url_inside, plan.access.parts, region, plan.flag_cache_s)
        bank = Bank(database, main_table, region.name, plan.settlement)
        worker = asyncio.create_task(Worker(bank, flag, plan.settle_s).run(ending))
        runner = web.AppRunner(
            application(bank, flag, region.name, "region-header" in plan.lenient),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            shutdown_timeout=FINISH_REQUESTS_S,
        )
        await runner.setup()
        for address in region.load_balancer_addresses:
            await web.TCPSite(runner, address, PORT).start()
        await _until_first(ending, worker)
        await runner.cleanup()
        await worker


async def _until_first(ending: asyncio.Event, worker: "asyncio.Task[None]") -> None:
    """Wait for the end signal, or for the worker: it ends by itself only after an error, and then this process must
    end, too.
    """
    asked = asyncio.create_task(ending.wait())
    await asyncio.wait([asked, worker], return_when=asyncio.FIRST_COMPLETED)
    ending.set()


def main() -> None:
    """Read the arguments, and serve."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m chaosdrill.lab.application PLAN.json REGION")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    plan = LabPlan.load(Path(sys.argv[1]))
    asyncio.run(serve(plan, plan.region(sys.argv[2])))


if __name__ == "__main__":
    main()
