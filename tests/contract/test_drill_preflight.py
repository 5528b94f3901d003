"""A drill begins with its preflight, and repeats the quick form before the method: on the lab's endpoint."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from chaosdrill.aws import system_of
from chaosdrill.controls.arguments import Arguments
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.fitness import EVENT, require_fit
from chaosdrill.controls.target import DrillTarget
from chaosdrill.coordination import coordination_of, lease_request
from chaosdrill.database.actions import fail_over_database
from chaosdrill.errors import Refused
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.packet_loss.part import PacketLossPart
from chaosdrill.parts.interface import Leftover
from chaosdrill.parts.registry import lease_keys
from chaosdrill.rescue import sweep
from tests.contract.activities_rig import TOKYO, Rig
from tests.drills import FAILOVER
from tests.failing import fails_with


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    yield
    rig.go_home()


def session(rig: Rig, directory: Path, **experiment: Any) -> DrillContext:
    """A drill of the README's experiment, with its load on this machine."""
    configuration = rig.other_topology(directory / "topology.yaml", client=rig.client_host(run="local"))
    raw = yaml.safe_load(FAILOVER.read_text())
    variables = {name: value for name, value in raw["configuration"].items() if not isinstance(value, dict)}
    drill = DrillContext({**raw, **experiment}, {**variables, **configuration}, {})
    drill.arguments = Arguments(expect=f"serving({TOKYO})")
    return drill


def engage(rig: Rig, status: str) -> None:
    fis = rig.lab.client("fis", TOKYO)
    fis.update_safety_lever_state(id="default", state={"status": status, "reason": "a festival"})


def recorded(of: Any) -> list[Any]:
    return [row for row in of.record.events if row["event"] == EVENT]


def test_a_system_that_is_fit_lets_the_drill_and_then_the_method_begin(rig: Rig, tmp_path: Path) -> None:
    one = session(rig, tmp_path)
    recheck = require_fit(one, "failover")
    recheck.begin()
    recheck.require_fit()
    whole, quick = recorded(one)
    assert (whole["quick"], quick["quick"], whole["not_ok"], quick["not_ok"]) == (False, True, [], [])
    assert 0 < quick["checks"] < whole["checks"]


def test_what_refuses_is_recorded_and_told_with_each_code(rig: Rig, tmp_path: Path) -> None:
    one = session(rig, tmp_path)
    engage(rig, "engaged")
    try:
        with rig.lab.supervisor.resync_held():
            fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
            with pytest.raises(Refused) as refused:
                require_fit(one, "failover")
    finally:
        engage(rig, "disengaged")
    assert refused.value.codes == ("database-not-synchronized", "safety-lever-engaged")
    assert "festival" in str(refused.value)
    (row,) = recorded(one)
    assert {"database.ready", "packet_loss.safety-lever"} <= {found["name"] for found in row["not_ok"]}


def test_what_another_run_holds_or_owes_refuses(rig: Rig, tmp_path: Path) -> None:
    one = session(rig, tmp_path)
    system = system_of(one.configuration)
    coordination = coordination_of(system)
    lease = coordination.acquire(lease_request(system, f"other-{tmp_path.name}", "drill", lease_keys(system.topology)))
    coordination.owe(lease, 1, OwedUndo("fail over", "fail_over", "system", "fail_back", "2026-11-30T00:00:00Z", {}))
    try:
        assert refusals(one) == ("lease-held", "undo-owed")
    finally:
        coordination.release(lease)
    assert refusals(one) == ("undo-owed",)
    coordination.pay(lease.run, 1, "a test")
    require_fit(one, "failover")


def test_what_earlier_drills_left_refuses(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = session(rig, tmp_path)
    system = system_of(one.configuration)
    rules = Leftover("packet_loss", "netem-rule", "ifb0", "", "rules of a fault", "tc qdisc del dev ifb0 root")
    monkeypatch.setattr(PacketLossPart, "leftovers", lambda self, system, scope: [rules])
    assert sweep.find(system).left == (rules,)
    assert refusals(one) == ("leftovers-found",)


def refusals(one: Any) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        require_fit(one, "failover")
    return refused.value.codes


def test_what_has_become_unfit_since_keeps_the_method_from_beginning(rig: Rig, tmp_path: Path) -> None:
    one = session(rig, tmp_path)
    recheck = require_fit(one, "failover")
    engage(rig, "engaged")
    try:
        recheck.begin()
        with fails_with("safety-lever-engaged"):
            recheck.require_fit()
    finally:
        engage(rig, "disengaged")


def test_nothing_is_sent_to_the_host_of_a_lab_of_the_drill_s_own_or_when_it_is_dry(rig: Rig, tmp_path: Path) -> None:
    before = len(rig.lab.supervisor.asked("client.run"))
    own = session(rig, tmp_path)
    own.target = cast(DrillTarget, SimpleNamespace(started_here=True))
    for one in (own, session(rig, tmp_path, dry="activities")):
        require_fit(one, "failover")
    assert len(rig.lab.supervisor.asked("client.run")) == before
