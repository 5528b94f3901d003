"""Beats of a real heartbeat: what it records of a server that misbehaves, and of its own trouble."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import loops
from tests.contract.heartbeat_rig import Process, bank, heartbeat, pipe
from tests.waiting import LONG_S, until

OK, REFUSED, TIMED_OUT, ERROR = range(4)
LATE, DURATION, OUTCOME, STATUS, WHY, REGION = range(4, 10)


def without_gaps(rows: list[Any], rate_per_s: float) -> None:
    """Every number once, and each due on the grid."""
    assert [row[1] for row in rows] == [*range(len(rows))]
    for row in rows:
        assert row[3] - rows[0][3] == pytest.approx(row[1] * 1e9 / rate_per_s, abs=1)


async def during(process: Process, seconds: float) -> list[Any]:
    """The beats that were due in the next so many seconds."""
    since_ns = (await process.get("/clock"))["now_ns"]
    await process.passed(seconds)  # it begins to count later than that
    return process.beats(0, since_ns, since_ns + round(seconds * 1e9))


@pytest.mark.long
def test_each_way_of_not_answering_has_its_own_outcome(tmp_path: Path) -> None:
    expected = {
        "503": (REFUSED, 503, ""),
        "reset": (ERROR, 0, "ConnectionResetError"),
        "half": (ERROR, 0, "incomplete-answer"),
        "silent": (TIMED_OUT, 0, "timeout-answer"),
        "slow": (OK, 200, ""),
        "chunked": (OK, 200, ""),
        "": (OK, 200, ""),
    }

    async def run() -> None:
        async with (
            bank() as (server, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", rate_per_s=40, timeout_s=3, deadline_s=3) as process,
        ):
            for fault, outcome in expected.items():
                server.fault = fault
                rows = await during(process, 0.2)
                assert rows
                assert {(row[OUTCOME], row[STATUS], row[WHY]) for row in rows} == {outcome}, fault
                assert {row[REGION] for row in rows} == {"127.0.0.1" if outcome[1] else ""}
                least_us = {"slow": 250_000, "silent": 3_000_000}.get(fault, 0)
                assert min(row[DURATION] for row in rows) >= least_us
            state = await process.post("/stop")
            rows = process.beats()
            assert state["state"] == "stopped"
            assert state["sent"] == [len(rows)]
            assert state["outcomes"]["read"] == [sum(row[OUTCOME] == one for row in rows) for one in range(4)]
            without_gaps(rows, 40)
            assert process.rows()[-1][0] == "e"

    loops.run(run())


@pytest.mark.long
def test_a_server_that_says_nothing_changes_nothing_about_what_is_sent(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port), heartbeat(tmp_path, f"http://127.0.0.1:{port}", rate_per_s=50) as process:
            await process.passed()
            server.fault, asked = "silent", server.requests
            rows = await during(process, 1.0)
            await until(lambda: server.requests - asked >= 50)
            assert len(rows) == pytest.approx(50, abs=1)
            assert {row[OUTCOME] for row in rows} == {TIMED_OUT}
            # a closed model would send one a second: each beat is sent while all those before still wait
            late_us = sorted(row[LATE] for row in rows)
            assert late_us[len(rows) // 2] < 10_000_000

    loops.run(run())


def test_a_connection_that_is_refused_costs_nothing_but_the_beat(tmp_path: Path) -> None:
    async def run() -> None:
        async with heartbeat(tmp_path, "http://127.0.0.1:1", rate_per_s=40) as process:
            await process.passed(0.5)
            rows = process.beats()
            assert {(row[OUTCOME], row[WHY], row[10]) for row in rows} == {
                (ERROR, "ConnectionRefusedError", "127.0.0.1")
            }

    loops.run(run())


def test_beats_that_a_stalled_process_missed_are_sent_late_and_say_so(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", rate_per_s=20) as process,
        ):
            since_ns = await process.passed()
            os.kill(process.process.pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)  # what is waited for is time itself
            os.kill(process.process.pid, signal.SIGCONT)
            until_ns = await process.passed()
            rows = process.beats(0, since_ns, until_ns)
            late = [row for row in rows if row[LATE] > 100_000]
            assert len(late) >= 15
            assert max(row[LATE] for row in late) >= 800_000
            assert {row[OUTCOME] for row in rows} == {OK}
            assert all(row[DURATION] >= row[LATE] for row in rows)
            without_gaps(process.beats(0, 0, until_ns), 20)

    loops.run(run())


def test_what_is_too_much_at_once_is_not_sent_and_not_hidden(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            heartbeat(
                tmp_path, f"http://127.0.0.1:{port}", ended=True, rate_per_s=100, timeout_s=0.1, deadline_s=0.1
            ) as process,
        ):
            await process.passed()
            os.kill(process.process.pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)
            os.kill(process.process.pid, signal.SIGCONT)
            until_ns = await process.passed()
            without_gaps(process.beats(0, 0, until_ns), 100)
            await process.post("/stop")
            unsent = [row for row in process.beats() if row[WHY] == "not-sent"]
            assert len(unsent) >= 50
            assert {row[OUTCOME] for row in unsent} == {ERROR}
            state = await process.get("/state")
            assert str(len(unsent)) in state["trouble"].split()

    loops.run(run())


def test_operations_are_sent_between_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", writes=True, rate_per_s=10) as process,
        ):
            until_ns = await process.passed(0.6)
            read, write = (process.beats(operation, 0, until_ns) for operation in (0, 1))
            assert write[0][3] - read[0][3] == pytest.approx(50_000_000, abs=1)
            assert len(read) == pytest.approx(len(write), abs=1)

    loops.run(run())


def test_a_kill_costs_less_than_a_second_of_rows(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", ended=True, rate_per_s=50) as process,
        ):
            await process.passed()
            await asyncio.sleep(1.3)  # so that the kill does not come just after something was written
            ages_ns = []
            for _ in range(9):
                now_ns = (await process.get("/clock"))["now_ns"]
                ages_ns.append(now_ns - process.watermark_ns())
                await asyncio.sleep(0.25)
            process.process.kill()
            await process.process.wait()
            assert sorted(ages_ns)[4] < 1_000_000_000, "a busy machine delays some writes, but not most"
            rows = process.beats(0, 0, process.watermark_ns())
            without_gaps(rows, 50)
            assert process.watermark_ns() - rows[-1][3] <= 20_000_001

    loops.run(run())


@pytest.mark.parametrize("how", ["lifeline", "SIGTERM", "max_s"])
def test_it_ends_in_order(tmp_path: Path, how: str) -> None:
    async def run() -> None:
        limit = {"max_s": 1.0} if how == "max_s" else {}
        async with (
            bank() as (server, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", ended=True, rate_per_s=20, **limit) as process,
        ):
            await until(lambda: len(process.beats()) > 3)
            server.fault = "silent"
            asked = server.requests
            await until(lambda: server.requests > asked or process.process.returncode is not None)
            if how == "lifeline":
                process.lifeline.close()
            elif how == "SIGTERM":
                process.process.terminate()
            assert await process.process.wait() == 0
            kind, _, sent = process.rows()[-1]
            assert (kind, sent) == ("e", [len(process.beats())])
            without_gaps(process.beats(), 20)
            assert process.beats()[-1][OUTCOME] == TIMED_OUT

    loops.run(run())


def test_a_process_that_hangs_does_not_outlive_its_lifeline() -> None:
    program = """
import sys, time
from chaosdrill.heartbeat.__main__ import watch_lifeline
watch_lifeline(int(sys.argv[1]), lambda: None, 0.2)
time.sleep(60)
"""
    with pipe() as (theirs, ours):
        process = subprocess.Popen([sys.executable, "-c", program, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        ours.close()
        assert process.wait(LONG_S) == 1


def test_the_page_hands_out_whole_lines_and_says_what_it_cannot(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (_, port), heartbeat(tmp_path, f"http://127.0.0.1:{port}", rate_per_s=50) as process:
            await process.passed(0.5)
            await process.post("/stop")
            text = (process.directory / "beats.jsonl").read_text()
            pieces, offset = [], 0
            while piece := await process.get(f"/records?file=beats.jsonl&offset={offset}&limit=300"):
                assert piece.endswith("\n")
                pieces.append(piece)
                offset += len(piece)
            assert "".join(pieces) == text
            assert len(pieces) > 3
            assert (await process.get("/state"))["files"] == {"beats.jsonl": len(text)}
            for path in ("/records?file=config.json", "/records?file=beats.jsonl&offset=x", "/read-back?label=a", "/x"):
                assert "error" in await process.get(path)
            assert "`write`" in (await process.post("/read-back?label=a&within_s=1"))["error"], "what is missing"

    loops.run(run())


def test_the_header_says_what_is_measured(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            heartbeat(tmp_path, f"http://127.0.0.1:{port}", writes=True, rate_per_s=10, deadline_s=0.5) as process,
        ):
            await process.passed()
            header = process.rows()[0]
            assert header | {"host": "", "pid": 0, "started_ns": 0} == {
                "chaosdrill": "beats",
                "version": 1,
                "source": "heartbeat",
                "run": "test",
                "host": "",
                "pid": 0,
                "started_ns": 0,
                "deadline_s": 0.5,
                "timeout_s": 20.0,
                "operations": [
                    {"name": "read", "rate_per_s": 10.0, "method": "GET", "path": "/balance"},
                    {"name": "write", "rate_per_s": 10.0, "method": "POST", "path": "/transaction/deposit"},
                ],
            }
            assert header["pid"] == process.process.pid
            marks = [row[1] for row in process.rows("w")]
            assert all(a < b for a, b in itertools.pairwise(marks))

    loops.run(run())
