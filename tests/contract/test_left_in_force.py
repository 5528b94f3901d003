"""What a drill that died has left in force is looked for at FIS, where its run recorded it."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws.fis import RUN_TAG, STARTED
from chaosdrill.controls.left_in_force import refuse_beside_dead_run
from tests.contract.accounts import DENIED_JSON, answering, profile
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.test_lab_aws_fis import start, template
from tests.failing import fails_with
from tests.synthetic_run import write_history

DIED = "20260501T093000Z-failover-ab12"
STEP = {"activity": "lose", "module": "chaosdrill.packet_loss.actions", "func": "inject_packet_loss", "phase": "method"}
HERE = {"event": "drill-opened", "target": "lab"}


@pytest.fixture
def running(rig: Rig) -> Iterator[str]:
    """A FIS experiment in the home region that a drill which died has started."""
    yield start(rig.lab, template(rig.lab), tags={RUN_TAG: DIED})
    rig.go_home()


def died(runs: Path, *started_in: str, duration_s: float = 1200) -> Path:
    """A store with a drill that died in the method, after its fault was started in these regions."""
    started = [{"s": 2.0, "event": STARTED, "experiment": "EXP1", "region": region} for region in started_in]
    begun = {"s": 1.0, "event": "activity-started", **STEP, "arguments": {"duration_s": duration_s}}
    (runs / DIED).mkdir(parents=True)
    write_history(runs / DIED, [{"s": 0.0, **HERE, "run_id": DIED}, begun, *started])
    return runs


def refuse(rig: Rig, runs: Path) -> None:
    opened: list[dict[str, Any]] = [HERE]
    refuse_beside_dead_run(runs, opened, rig.configuration, None, "serving(ap-northeast-1)")


@pytest.mark.parametrize("started_in", [(), (TOKYO,), (OSAKA, TOKYO)], ids=["unknown", "home", "both"])
def test_a_fault_in_force_is_found_in_every_region_where_it_may_be(
    rig: Rig, tmp_path: Path, running: str, started_in: tuple[str, ...]
) -> None:
    with fails_with("left-in-force") as refused:
        refuse(rig, died(tmp_path, *started_in))
    assert running in str(refused.value)


def test_a_fault_is_not_looked_for_where_its_run_did_not_start_it(rig: Rig, tmp_path: Path, running: str) -> None:
    refuse(rig, died(tmp_path, OSAKA))


def test_a_fault_that_was_stopped_keeps_no_drill_from_starting(rig: Rig, tmp_path: Path, running: str) -> None:
    rig.go_home()
    refuse(rig, died(tmp_path))
    refuse(rig, died(tmp_path / "other", TOKYO))


def test_a_fault_of_another_run_keeps_no_drill_from_starting(rig: Rig, tmp_path: Path) -> None:
    start(rig.lab, template(rig.lab), tags={RUN_TAG: f"{DIED}-other"})
    refuse(rig, died(tmp_path))
    rig.go_home()


@pytest.mark.parametrize(("duration_s", "codes"), [(1200, ()), (1e9, ("left-in-force",))], ids=["ended", "lasts"])
def test_a_fault_that_fis_does_not_tell_keeps_a_drill_from_starting_until_it_has_ended_by_itself(
    rig: Rig, tmp_path: Path, duration_s: float, codes: tuple[str, ...]
) -> None:
    runs = died(tmp_path / "runs", TOKYO, duration_s=duration_s)
    with answering(*DENIED_JSON) as url:
        name = profile(tmp_path / "config", url)
        aws = {"profile": name, "config_file": str(tmp_path / "config")}
        configuration = rig.other_topology(tmp_path / "topology.yaml", aws=aws)
        with fails_with(*codes) if codes else nullcontext():
            refuse_beside_dead_run(runs, [HERE], configuration, None, "serving(ap-northeast-1)")
