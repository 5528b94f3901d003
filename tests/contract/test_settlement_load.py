"""The conformance check's settlement load: a real heartbeat writes to a bank that settles one write after the other."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chaosdrill.aws import system_of
from chaosdrill.cli.topology import check as cli_check
from chaosdrill.client import heartbeat as heartbeats
from chaosdrill.client.heartbeat_page import HeartbeatPage
from chaosdrill.conformance import settlement
from chaosdrill.conformance.assumptions import AS_ASSUMED, DIFFERS, UNREADABLE
from chaosdrill.conformance.settlement import SettlementLoad, measure, row_of
from chaosdrill.controls.lock import take_lock
from chaosdrill.coordination.interface import Lease
from chaosdrill.errors import Refused
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rehearsal import bundle
from tests.contract.activities_rig import Rig, outside
from tests.contract.coordination_rig import Planted, in_table
from tests.contract.heartbeat_rig import READ, WRITES, Bank, bank_beside
from tests.failing import fails_with

pytestmark = pytest.mark.long

SECONDS = 6.0
Measure = Callable[..., SettlementLoad]


def sent(accounts: int = 200, **more: Any) -> dict[str, Any]:
    return {"read": READ, **WRITES, "accounts": {"prefix": "synthetic-", "count": accounts}, "run": "local", **more}


@pytest.fixture
def bank() -> Iterator[tuple[Bank, str]]:
    with bank_beside() as (one, url):
        yield one, url


@pytest.fixture
def measured(rig: Rig, tmp_path: Path, bank: tuple[Bank, str]) -> Iterator[Measure]:
    def run(seconds: float = SECONDS, **more: Any) -> SettlementLoad:
        configuration = rig.other_topology(tmp_path / "topology.json", heartbeat=sent(**more))
        return measure(system_of(configuration), configuration, seconds, bank[1])

    with outside():
        yield run
    assert all(one.ended for one in heartbeats._own.values()), "no heartbeat is left"


@pytest.fixture
def planted(rig: Rig, tmp_path: Path, measured: Measure) -> Iterator[Planted]:
    """The coordination of the system that is measured."""
    topology = tmp_path / "topology.json"
    rig.other_topology(topology, heartbeat=sent())
    planted = Planted(topology, in_table(rig, topology), tmp_path, [])
    yield planted
    planted.release_all()


def holding(planted: Planted) -> tuple[Lease, ...]:
    """The leases of the system that is measured."""
    return planted.coordination.read(lease_keys(system_of({"topology": str(planted.topology)}).topology)).holding()


@pytest.mark.parametrize(
    ("serial_s", "more", "state"),
    [
        (None, {}, AS_ASSUMED),
        (0.1, {}, AS_ASSUMED),  # 10/s: the drill writes no faster than that
        (1.0, {}, DIFFERS),  # what a burst leaves behind is not settled in time
        (0.2, {"rate_per_s": 20}, DIFFERS),  # a constant rate that is not bounded by what is settled
    ],
)
def test_settlement_is_flat_where_the_worker_keeps_up(
    measured: Measure, bank: tuple[Bank, str], serial_s: float | None, more: Any, state: str
) -> None:
    bank[0].serial_s = serial_s
    load = measured(**more)
    assert row_of(load).state == state, (row_of(load), load)
    assert load.lags


def test_a_worker_that_becomes_slow_under_load_is_found(
    measured: Measure, bank: tuple[Bank, str], monkeypatch: pytest.MonkeyPatch, rig: Rig, tmp_path: Path
) -> None:
    begin = HeartbeatPage.begin_load

    def slow(page: HeartbeatPage, seconds: float) -> Any:
        bank[0].serial_s = 0.5
        return begin(page, seconds)

    monkeypatch.setattr(HeartbeatPage, "begin_load", slow)
    load = measured()
    row = row_of(load)
    assert (row.state, load.keeps_up) == (DIFFERS, True), row
    path = tmp_path / "bundle.json"
    bundle.export(path, system_of(rig.configuration).topology, [], asdict(load))
    again = SettlementLoad(**json.loads(path.read_text())["settlement"])
    assert row_of(again) == row, "the bundle replays"


@pytest.mark.parametrize("names", [("run",), ("run", "write", "accounts")])
def test_a_heartbeat_that_follows_no_write_is_not_started(rig: Rig, tmp_path: Path, names: tuple[str, ...]) -> None:
    read = {"method": "GET", "path": "/health"}
    facts = {"read": read} | {name: value for name, value in sent().items() if name in names}
    configuration = rig.other_topology(tmp_path / "topology.json", heartbeat=facts)
    row, load = settlement.checked_settlement(system_of(configuration), configuration, SECONDS)
    assert (row.state, load) == (UNREADABLE, None)


def test_an_account_that_is_not_allowed_is_not_written_to(rig: Rig, tmp_path: Path, bank: tuple[Bank, str]) -> None:
    configuration = rig.other_topology(tmp_path / "topology.json", heartbeat=sent(), accounts=["999999999999"])
    row, _ = settlement.checked_settlement(system_of(configuration), configuration, SECONDS)
    assert (row.state, bank[0].requests + bank[0].deposits) == (UNREADABLE, 0)


def test_nothing_is_written_while_a_drill_is_in_progress(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path))
    monkeypatch.setattr(settlement, "measure", pytest.fail)
    rig.other_topology(path := tmp_path / "topology.json", heartbeat=sent())
    take_lock(None if system_of({"topology": str(path)}).topology.target == "lab" else path)
    ran = CliRunner().invoke(cli_check, [str(path), "--conformance", "--settlement", "5", "--json"])
    rows = {one["subject"]: one["state"] for one in json.loads(ran.stdout)}
    assert next(state for subject, state in rows.items() if subject.startswith("settlement")) == UNREADABLE


def test_nothing_is_written_while_another_run_holds_the_system(
    planted: Planted, measured: Measure, bank: tuple[Bank, str]
) -> None:
    lease = planted.acquire("20261130T1000-elsewhere")
    with fails_with("lease-held"):
        measured()
    assert (holding(planted), bank[0].requests + bank[0].deposits) == ((lease,), 0)


def test_no_drill_begins_while_writes_are_sent(
    planted: Planted, measured: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, held = HeartbeatPage.begin_load, list[Lease]()

    def beside_a_drill(page: HeartbeatPage, seconds: float) -> Any:
        held.extend(holding(planted))
        with pytest.raises(Refused) as refused:
            planted.acquire("20261130T1000-beside")
        assert refused.value.code == "lease-held"
        return begin(page, seconds)

    monkeypatch.setattr(HeartbeatPage, "begin_load", beside_a_drill)
    assert measured().lags
    assert [one.purpose for one in held] == ["settlement"]
    assert holding(planted) == ()


def test_a_request_to_stop_ends_it_and_it_gives_the_lease_back(
    planted: Planted, measured: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = HeartbeatPage.begin_load

    def stopped(page: HeartbeatPage, seconds: float) -> Any:
        [lease] = holding(planted)
        planted.coordination.request_stop(lease.run, "a test", "customers-call")
        return begin(page, seconds)

    monkeypatch.setattr(HeartbeatPage, "begin_load", stopped)
    with fails_with("settlement-stopped") as ended:
        measured(seconds=600.0)
    assert "customers-call" in str(ended.value)
    assert holding(planted) == ()
