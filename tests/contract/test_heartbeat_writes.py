"""The ledger of a real heartbeat, and what it finds of the writes of a bank that loses, repeats and forgets some."""

import collections
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests import loops
from tests.contract.heartbeat_rig import Bank, Process, bank, heartbeat
from tests.waiting import until

SETTINGS = {"writes": True, "rate_per_s": 20, "timeout_s": 2.5}


async def deposits(server: Bank, process: Process, count: int) -> None:
    """Wait until so many deposits have arrived, and are old enough to be read back."""
    await until(lambda: server.deposits >= count)
    await process.passed(2.6)


def by_number(server: Bank, process: Process) -> dict[int, dict[str, Any]]:
    """The ledger's writes by the number the bank gave them; beats may arrive in another order than they were sent."""
    number_of = {identity: number for number, identity in server.ids.items()}
    return {number_of[row["id"]]: row for row in process.ledger("write") if row["id"]}


def found(process: Process, label: str) -> dict[str, str]:
    return {row["id"]: row["state"] for row in process.ledger("found") if row["label"] == label}


@pytest.mark.long
def test_writes_that_settle_are_found_and_nothing_else(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.balances = {f"synthetic-{number}": 1000 + number for number in range(200)}
            async with heartbeat(tmp_path, f"http://127.0.0.1:{port}", **SETTINGS) as process:
                await deposits(server, process, 25)
                summary = await process.read_back("calm", 20)
                assert summary | {"read_back": 0, "of": 0} == {
                    "label": "calm",
                    "state": "done",
                    "converged": True,
                    "why": "",
                    "read_back": 0,
                    "of": 0,
                    "missing": [],
                    "pending": [],
                    "unreadable": [],
                    "missing_by_region": {},
                    "overcounted": [],
                }
                again = await process.post("/read-back?label=calm&within_s=20")
                assert again == summary
                await process.post("/stop")
                check_ledger(process, server, summary["of"])

    loops.run(run())


def check_ledger(process: Process, server: Bank, read_back: int) -> None:
    """Each write stands once; the read-back has each that was due before it; balances are compared with the start."""
    writes = process.ledger("write")
    assert [row["seq"] for row in sorted(writes, key=lambda row: row["seq"])] == [*range(server.deposits)]
    assert server.pending_refused == 0
    assert {row["outcome"] for row in writes} == {"accepted"}
    assert all(row["quantity"] == 4 ** row["digit"] for row in writes)
    (begun,), (ended,) = process.ledger("read-back-begun"), process.ledger("read-back-ended")
    due = {row["id"] for row in writes if row["due_ns"] < begun["writes_until_ns"]}
    assert found(process, "calm") == dict.fromkeys(due, "settled")
    assert read_back == len(due) >= 25
    assert begun["at_ns"] - begun["writes_until_ns"] == 2_500_000_000
    assert ended["converged"] is True
    settled = collections.Counter(row["id"] for row in process.ledger("settled"))
    assert {*settled} >= due
    assert max(settled.values()) == 1
    starts = {row["account"]: row["balance"] for row in process.ledger("balance") if row["label"] == "start"}
    after = {row["account"]: row["balance"] for row in process.ledger("balance") if row["label"] == "calm"}
    assert {*after} == {row["account"] for row in writes if row["id"] in due}
    for account in after:
        assert starts[account] == 1000 + int(account.rpartition("-")[2])
        quantities = [row["quantity"] for row in writes if row["account"] == account]
        assert starts[account] + min(quantities) <= after[account] <= starts[account] + sum(quantities)
    assert process.rows(file="ledger.jsonl")[-1]["row"] == "end"
    assert process.rows(file="ledger.jsonl")[-1]["writes"] == len(writes)


def test_each_planted_wrong_is_found_by_its_id(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.lost, server.undone, server.twice = {3, 17}, {5}, {7, 22}
            server.unanswered, server.refused_and_done, server.failed = {9}, {11}, {13}
            async with heartbeat(tmp_path, f"http://127.0.0.1:{port}", **SETTINGS) as process:
                await deposits(server, process, 25)
                began = time.monotonic()
                # stores that converge late have lost nothing
                server.hidden_until = dict.fromkeys((1, 2), began + 1)
                stale = by_number(server, process)[15]["account"]
                server.stale_until = {stale: began + 1}
                summary = await process.read_back("after", 4)
                assert time.monotonic() - began >= 4  # only then a write is missing
                assert {*summary["missing"]} == {server.ids[3], server.ids[17]}
                assert summary["missing_by_region"] == {"127.0.0.1": 2}, "who had accepted them"
                assert (summary["converged"], summary["why"]) == (True, "")
                assert (summary["pending"], summary["unreadable"]) == ([], [])
                writes = by_number(server, process)
                after = {row["account"]: row["balance"] for row in process.ledger("balance") if row["label"] == "after"}
                assert after[stale] >= 1
                states = collections.Counter(found(process, "after").values())
                assert (states["missing"], states["rolled_back"]) == (2, 1)
                assert found(process, "after")[server.ids[5]] == "rolled_back"
                over = {one["id"]: one["executions"] for one in summary["overcounted"] if one["id"]}
                assert over == {writes[7]["id"]: 2, writes[22]["id"]: 2}
                outcomes = {row["seq"]: row for row in process.ledger("write") if row["outcome"] != "accepted"}
                assert collections.Counter((row["outcome"], row["status"]) for row in outcomes.values()) == {
                    ("unknown", 0): 1,
                    ("refused", 503): 1,
                    ("unknown", 500): 1,
                }
                (resurrected,) = [one for one in summary["overcounted"] if not one["id"]]
                assert (outcomes[resurrected["seq"]]["status"], resurrected["executions"]) == (503, 1)

    loops.run(run())


@pytest.mark.long
def test_what_is_still_open_has_not_converged(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.stuck = {4}
            async with heartbeat(tmp_path, f"http://127.0.0.1:{port}", **SETTINGS) as process:
                await deposits(server, process, 20)
                summary = await process.read_back("open", 1.5)
                assert summary["pending"] == [server.ids[4]]
                assert summary["converged"] is False
                assert ("1", "pending") in re.findall(r"\b(\d+) writes (\w+)", summary["why"])
                assert (await process.get("/state"))["pending_writes"] >= 1
                server.fault = "503"  # of balances
                summary = await process.read_back("blind", 1.5)
                assert "balances" in summary["why"]
                blind = [row["balance"] for row in process.ledger("balance") if row["label"] == "blind"]
                assert {*blind} == {None}
                await stopped_while_reading_back(process)

    loops.run(run())


async def stopped_while_reading_back(process: Process) -> None:
    """The stop ends the read-back, which says so, and nothing follows the end of the ledger."""
    await process.post("/read-back?label=cut&within_s=60")
    assert " cut " in (await process.post("/read-back?label=other&within_s=60"))["error"], "the one that goes on"
    await process.post("/stop")
    summary = await process.get("/read-back?label=cut")
    assert (summary["state"], summary["converged"]) == ("done", False)
    assert "stopped" in summary["why"]
    assert "stopped" in (await process.post("/read-back?label=other&within_s=60"))["error"]
    kinds = [row.get("row") for row in process.rows(file="ledger.jsonl")]
    assert kinds.index("end") == len(kinds) - 1


def test_an_account_has_one_write_at_a_time_and_the_least_used_one_is_next(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.settles_in_s, accounts = 0.4, [f"few-{number}" for number in range(50)]
            async with heartbeat(tmp_path, f"http://127.0.0.1:{port}", accounts=accounts, **SETTINGS) as process:
                await until(lambda: server.deposits > 80)
                assert server.pending_refused == 0
                digits = collections.Counter(row["digit"] for row in process.ledger("write"))
                assert {*digits} <= {0, 1, 2}
                assert digits[0] == 50

    loops.run(run())


def test_without_a_free_account_nothing_is_written_and_that_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.stuck = {*range(10_000)}
            async with heartbeat(
                tmp_path, f"http://127.0.0.1:{port}", ended=True, accounts=["a", "b"], **SETTINGS
            ) as process:
                await process.passed(1.0)  # they are asked for after 0.5 s, and still pending
                assert (server.deposits, server.pending_refused) == (2, 0)
                assert [row[8] for row in process.beats(1)[:3]] == ["", "", "not-sent"]
                assert "accounts" in (await process.get("/state"))["trouble"], "give it more"
                assert len(process.ledger("write")) == 2

    loops.run(run())


def test_a_start_balance_that_is_not_known_in_time_is_null(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (server, port):
            server.fault = "503"  # of balances
            async with heartbeat(tmp_path, f"http://127.0.0.1:{port}", **SETTINGS) as process:
                await until(lambda: len(process.ledger("write")) >= 10)
                starts = [row["balance"] for row in process.ledger("balance")]
                assert {*starts} == {None}
                assert len(starts) >= 10

    loops.run(run())
