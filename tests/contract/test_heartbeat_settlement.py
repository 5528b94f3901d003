"""Whether writes are settled as fast as they are sent, and how many are sent around a transition."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from tests import loops
from tests.contract.heartbeat_rig import Process, bank, heartbeat
from tests.waiting import LONG_S

DEFAULT = {"writes": True, "rate_per_s": 20.0, "write_rate_per_s": 2.0, "burst_per_s": 20.0}
CONSTANT = {"writes": True, "rate_per_s": 20.0}


async def checked(process: Process) -> dict[str, Any]:
    async with asyncio.timeout(LONG_S):
        while (found := await process.post("/settlement"))["state"] == "running":
            await asyncio.sleep(0.1)
    return dict(found)


def checks(directory: Path, serial_s: float | None, settings: dict[str, Any]) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with bank() as (server, port):
            server.serial_s = serial_s
            async with heartbeat(directory, f"http://127.0.0.1:{port}", **settings) as process:
                return await checked(process)

    found: dict[str, Any] = loops.run(run())
    return found


@pytest.mark.long
@pytest.mark.parametrize(("serial_s", "grows"), [(None, False), (0.2, True)])
def test_at_a_constant_rate_the_lag_grows_when_one_after_the_other_takes_longer(
    tmp_path: Path, serial_s: float | None, grows: bool
) -> None:
    found = checks(tmp_path, serial_s, CONSTANT)
    assert found["grows"] is grows, found
    assert (found["rate_per_s"], found["burst_per_s"], found["capacity_per_s"]) == (20.0, None, None)


@pytest.mark.long
@pytest.mark.parametrize(("serial_s", "grows"), [(0.1, False), (1.0, True)])
def test_a_burst_tells_how_many_are_settled_a_second(tmp_path: Path, serial_s: float, grows: bool) -> None:
    found = checks(tmp_path, serial_s, DEFAULT)
    assert found["grows"] is grows, found
    assert (found["rate_per_s"], found["burst_per_s"]) == (2.0, 20.0)
    if not grows:
        assert 2.0 < found["capacity_per_s"] <= 1 / serial_s * 1.5
        assert 0 < found["lag_s"] <= found["longest_s"]


def intervals(beats: list[Any]) -> set[float]:
    return {round((after[3] - before[3]) / 1e9, 3) for before, after in itertools.pairwise(beats)}


def test_writes_are_few_at_rest_and_many_around_a_transition(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (_, port), heartbeat(tmp_path, f"http://127.0.0.1:{port}", **DEFAULT) as process:
            assert intervals(process.beats(operation=1, until_ns=await process.passed(1.5))) == {0.5}
            assert await process.post("/burst") == {"write_rate_per_s": 20.0}
            since_ns = await process.passed(0.6)
            assert intervals(process.beats(1, since_ns, await process.passed(1.0))) == {0.05}
            assert [one["rate_per_s"] for one in process.rows()[0]["operations"]] == [20.0, 2.0]

    loops.run(run())


def test_a_constant_rate_is_not_raised(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (_, port), heartbeat(tmp_path, f"http://127.0.0.1:{port}", **CONSTANT) as process:
            assert await process.post("/burst") == {"write_rate_per_s": None}

    loops.run(run())
