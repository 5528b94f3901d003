"""What is around a drill is gone in the middle of it: it ends safe, or says exactly what a person must do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill import activity
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.history import OpenDrill
from chaosdrill.region.probes import region_state
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.lab_aws import get
from tests.failing import fails_with

HOME_SERVES = f"serving({TOKYO})"


@pytest.fixture
def failing_over(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenDrill]:
    """A drill that begins to fail over."""
    monkeypatch.setattr(activity, "AGAIN_AFTER_S", 0.1)
    rig.go_home()
    with drill(tmp_path) as one:
        one.history.append("activity-started", activity="fail-over")
        yield one
    rig.go_home()


@contextmanager
def every_arc_endpoint_gone(rig: Rig) -> Iterator[None]:
    for region in rig.endpoint_regions():
        rig.impair(region, True)
    yield
    for region in rig.endpoint_regions():
        rig.impair(region, False)


@contextmanager
def gone(rig: Rig, service: str, kind: str = "server-error") -> Iterator[None]:
    """One control plane answers nothing but errors, to the drill; machines go on."""
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": service, "kind": kind}, "PUT")
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


def test_with_every_arc_endpoint_gone_after_the_source_was_closed_the_writer_s_region_is_opened(
    rig: Rig, failing_over: OpenDrill
) -> None:
    """The machine has closed home and cannot switch the routing: dark. Nobody can, and it still leads home."""
    with every_arc_endpoint_gone(rig):
        with pytest.raises(ActivityFailed):
            fail_over(configuration=rig.configuration)
        failing_over.history.append("phase", phase="rollbacks")
        with fails_with("routing-unreadable"):
            fail_back(undo_of="fail-over", configuration=rig.configuration)
        closed = {region: stop_flag(region, configuration=rig.configuration) for region in (TOKYO, OSAKA)}
        assert closed == {TOKYO: False, OSAKA: True}
    assert region_state(configuration=rig.configuration) == HOME_SERVES


def test_with_the_database_s_control_plane_gone_the_rollback_goes_home_once_it_is_back(
    rig: Rig, failing_over: OpenDrill
) -> None:
    fail_over(configuration=rig.configuration)
    failing_over.history.append("phase", phase="rollbacks")
    with gone(rig, "rds"):
        with pytest.raises(ActivityFailed):
            fail_back(undo_of="fail-over", timeout_s=1, configuration=rig.configuration)
        assert region_state(configuration=rig.configuration) in ("unknown", f"serving({OSAKA})"), "never dark"
    assert fail_back(undo_of="fail-over", configuration=rig.configuration)["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == HOME_SERVES


@pytest.mark.parametrize("service", ["dynamodb", "stepfunctions"])
def test_with_another_control_plane_gone_nothing_is_half_moved(rig: Rig, failing_over: OpenDrill, service: str) -> None:
    with gone(rig, service), pytest.raises(ActivityFailed):
        fail_over(timeout_s=1, configuration=rig.configuration)
    assert region_state(configuration=rig.configuration) == HOME_SERVES
