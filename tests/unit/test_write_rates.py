"""What follows from a rate of writes that changes: what losses resolve, what is compared, what a rehearsal warns of."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.analysis.gate import sides_of
from chaosdrill.analysis.groups import groups
from chaosdrill.analysis.ledger import ReadBack, Write, WriteLedger
from chaosdrill.analysis.losses import losses
from chaosdrill.analysis.measurement import Measured
from chaosdrill.analysis.summary_fields import WRITES, summary_fields
from chaosdrill.paths import RUNS_VARIABLE
from chaosdrill.records.ledger import ACCEPTED, MISSING, SETTLED
from chaosdrill.rehearsal.settlement import settled_before
from chaosdrill.topology import Topology, load_topology
from tests.unit.test_comparison import run
from tests.unit.test_topology import RIGHT, written

NS = 1_000_000_000


def ledger(due_s: list[float], lost_s: tuple[float, float]) -> WriteLedger:
    found, made = ReadBack("after-failover"), WriteLedger()
    for seq, at_s in enumerate(due_s):
        at_ns = round(at_s * NS)
        made.writes[seq] = Write(seq, "account", None, at_ns, at_ns, ACCEPTED, f"id-{seq}")
        found.found[seq] = MISSING if lost_s[0] <= at_s <= lost_s[1] else SETTLED
    found.begun_ns = found.writes_until_ns = found.ended_ns = round(1000 * NS)
    found.converged, made.reads_back = True, True
    made.read_backs["after-failover"] = found
    return made


def test_seconds_of_lost_writes_are_as_exact_as_writes_were_dense_around_the_cut() -> None:
    rest, burst = [number / 2 for number in range(40)], [20 + number / 20 for number in range(100)]
    dense = losses(ledger([*rest, *burst], (23.0, 23.5)), "after-failover", cut_ns=round(23.52 * NS)).seconds
    assert (dense.value, dense.resolution) == (pytest.approx(0.5), pytest.approx(0.05))
    sparse = losses(ledger([*rest, *burst], (5.0, 5.5)), "after-failover", cut_ns=round(5.6 * NS)).seconds
    assert sparse.resolution == pytest.approx(0.5)


def started(**rates: Any) -> dict[str, Any]:
    return summary_fields("failover", [{"event": "heartbeat-started", "writes": True, **rates}], "drill")[
        "circumstances"
    ]


def test_a_summary_says_how_many_writes_were_sent() -> None:
    burst = {"write_rate_per_s": 2.0, "burst_per_s": 20.0}
    assert started(**burst)[WRITES] == "2/s, up to 20/s around a transition"
    assert started(write_rate_per_s=20.0, burst_per_s=None)[WRITES] == "20/s"
    assert WRITES not in started(**burst | {"writes": False})
    assert WRITES not in started(), "an older run does not say"


def of_rate(name: str, rate: str) -> Any:
    lost = {"lost_writes": Measured(1.0, "writes", "", 1.0, 0.0), "recovery_time_s": Measured(4.0, "s", "", 0.1, 0.1)}
    return run(name, circumstances={WRITES: rate}, measured=lost)


def test_groups_and_gates_leave_losses_out_where_rates_differ() -> None:
    few, many = of_rate("20260501T0930-a", "2/s"), of_rate("20260502T0930-b", "20/s")
    alike = of_rate("20260503T0930-c", "20/s")
    assert [one.name for one in groups([few], [many]).measured] == ["recovery_time_s"]
    assert "lost_writes" in [one.name for one in groups([alike], [many]).measured]
    _, _, candidate, baseline = sides_of([many], [few])
    assert ("lost_writes" in candidate.measured, "lost_writes" in baseline.measured) == (True, False)
    assert "lost_writes" in sides_of([many], [alike])[3].measured


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topology:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return load_topology(written(tmp_path, RIGHT))


def ran(runs: Path, name: str, text: str, capacity_per_s: float | None) -> None:
    directory = runs / name
    directory.mkdir(parents=True)
    (directory / "topology.yaml").write_text(text)
    events = [{"event": "drill-opened"}, {"event": "settlement-measured", "capacity_per_s": capacity_per_s}]
    (directory / "history.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def test_the_newest_run_on_the_same_system_says_what_was_settled(tmp_path: Path, topology: Topology) -> None:
    assert settled_before(topology) is None
    runs = tmp_path / "runs"
    ran(runs, "20260501T0930-failover-aa", RIGHT, 9.5)
    ran(runs, "20260502T0930-failover-bb", RIGHT, 12.5)
    ran(runs, "20260503T0930-failover-cc", RIGHT, None)
    ran(runs, "20260504T0930-failover-dd", RIGHT.replace("api.example.com", "other.example.com"), 3.0)
    (runs / "20260505T0930-failover-ee").mkdir()
    found = settled_before(topology)
    assert found is not None
    assert (found.run, found.capacity_per_s) == ("20260502T0930-failover-bb", 12.5)
