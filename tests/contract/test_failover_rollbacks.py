"""Failing over again as a rollback, after a failback that did not come through."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosdrill.errors import Refused, TimedOut
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.probes import running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.region.probes import region_state
from tests.contract.activities_rig import OSAKA, Rig, drill
from tests.failing import fails_with
from tests.waiting import wait_for


@pytest.fixture
def from_osaka(rig: Rig, tmp_path: Path) -> Iterator[OpenDrill]:
    """A drill that began while Osaka served, and failed back."""
    rig.go_home()
    fail_over(configuration=rig.configuration)
    with drill(tmp_path) as one:
        one.history.append("activity-started", activity="fail-back")
        yield one
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)


def again(rig: Rig) -> dict[str, object]:
    done: dict[str, object] = fail_over(
        undo_of="fail-back", when="steady-state-not-seen", configuration=rig.configuration
    )
    return done


def test_what_was_failed_back_is_failed_over_again(rig: Rig, from_osaka: OpenDrill) -> None:
    fail_back(configuration=rig.configuration)
    assert again(rig)["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_a_failback_that_passed_stays(rig: Rig, from_osaka: OpenDrill) -> None:
    fail_back(configuration=rig.configuration)
    from_osaka.history.append("steady-state-after-method", met=True)
    assert again(rig)["done"] is False
    assert region_state(configuration=rig.configuration) == "serving(ap-northeast-1)"


def test_a_failback_that_left_all_dark_ends_with_the_standby_open(rig: Rig, from_osaka: OpenDrill) -> None:
    rig.lab.supervisor.refuse["database.switchover"] = "home does not follow"
    fail_back(configuration=rig.configuration)
    del rig.lab.supervisor.refuse["database.switchover"]
    with fails_with("service-restored-by-rollback"):
        again(rig)
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_a_failback_that_goes_on_is_waited_for_and_one_that_nobody_undoes_is_in_the_way(
    rig: Rig, from_osaka: OpenDrill
) -> None:
    with rig.lab.supervisor.writer_held():
        with fails_with("execution-running"):
            fail_back(timeout_s=0.2, configuration=rig.configuration)
        with fails_with("execution-running") as waited:
            fail_over(undo_of="fail-back", timeout_s=0.1, configuration=rig.configuration)
        with fails_with("execution-running") as refused:
            fail_over(configuration=rig.configuration)
    assert isinstance(waited.value.__cause__, TimedOut)
    assert isinstance(refused.value.__cause__, Refused)
    assert again(rig)["status"] == "SUCCEEDED", "it had come to its end"
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"
