"""Nothing moves to a region whose database Aurora rebuilds: the other region goes on serving, or serves again."""

import ctypes
import gc
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.automatic_failover.actions import enable_automatic_failover
from chaosdrill.aws import aurora
from chaosdrill.aws.aurora import parsed
from chaosdrill.database.actions import fail_over_database, switch_over_database
from chaosdrill.database.probes import writer_region
from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.probes import running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.history.owed_undos import owed_undos
from chaosdrill.region.probes import region_state
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

RULE = "start-failover-on-alarm"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    yield
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)


@pytest.fixture
def lost_home(rig: Rig, tmp_path: Path) -> Iterator[OpenDrill]:
    """A drill whose database failed over to Osaka without asking; Tokyo's cluster is being rebuilt until the end."""
    with drill(tmp_path) as one, rig.lab.supervisor.resync_held():
        one.history.append("activity-started", activity="close-home")
        rig.flag(TOKYO, "true")
        fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        yield one


def serve_in_osaka(rig: Rig) -> None:
    rig.route(tokyo="Off", osaka="On")
    rig.flag(OSAKA, "false")


def executions(rig: Rig) -> int:
    sfn = rig.lab.client("stepfunctions")
    machines = [rig.lab.machine(prefix) for prefix in ("FailoverStateMachine", "FailbackStateMachine")]
    return sum(len(sfn.list_executions(stateMachineArn=machine)["executions"]) for machine in machines)


@contextmanager
def fault(rig: Rig, service: str, kind: str, **where: Any) -> Iterator[None]:
    get(f"{rig.lab.url}/chaosdrill/faults", {"service": service, "kind": kind, **where}, "PUT")
    try:
        yield
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


@pytest.mark.parametrize("undo_of", [None, "close-home"])
def test_a_failback_that_cannot_end_is_not_begun_and_names_the_way_back(
    rig: Rig, lost_home: OpenDrill, undo_of: str | None
) -> None:
    serve_in_osaka(rig)
    before = executions(rig)
    with fails_with("database-not-synchronized") as refused:
        fail_back(timeout_s=1, undo_of=undo_of, configuration=rig.configuration)
    assert executions(rig) == before
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"
    for value in ("pending-resync", "describe-global-clusters", rig.lab.machine("FailbackStateMachine")):
        assert value in str(refused.value)
    (noted,) = lost_home.history.events("database-not-ready")
    assert noted["synchronization"] == {TOKYO: "pending-resync", OSAKA: "connected"}


@pytest.mark.parametrize(("undo_of", "presses"), [("close-home", "Ctrl-C twice"), (None, "Ctrl-C")])
def test_who_waits_for_the_database_is_told_for_how_long_and_how_to_end_it(
    rig: Rig, lost_home: OpenDrill, caplog: pytest.LogCaptureFixture, undo_of: str | None, presses: str
) -> None:
    serve_in_osaka(rig)
    with caplog.at_level("INFO", "chaostoolkit"), fails_with("database-not-synchronized"):
        fail_back(timeout_s=1, undo_of=undo_of, configuration=rig.configuration)
    said = next(text for text in caplog.messages if "pending-resync" in text)
    assert re.search(r"\b1 s\b", said), "how long at most"
    assert f"press {presses}" in said
    assert ("Ctrl-C twice" in said) is ("start-execution" in said) is (undo_of is not None)


class Interruption(BaseException):
    """As a signal is raised in the thread of an activity when the rollbacks are given up."""


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the call that it meets
def test_an_interruption_ends_the_wait_and_the_failback_is_owed(rig: Rig, tmp_path: Path) -> None:
    step = {"module": "chaosdrill.failover.actions", "func": "fail_over", "phase": "method", "activity": "fail-over"}
    back = {**step, "func": "fail_back", "phase": "rollbacks", "activity": "fail-back"}
    ended = threading.Event()  # the exception itself would keep the socket of the call that it met

    def wait() -> None:
        try:
            fail_back(undo_of="fail-over", configuration=rig.configuration)
        except Interruption:
            ended.set()

    with drill(tmp_path) as one, rig.lab.supervisor.resync_held():
        fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        rig.flag(TOKYO, "true")
        serve_in_osaka(rig)
        one.history.append("activity-started", **step, arguments={})
        one.history.append("activity-started", **back, arguments={"undo_of": "fail-over"})
        before, thread = executions(rig), threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: one.history.events("database-not-ready"))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interruption))
        thread.join(LONG_S)
        assert ended.is_set(), "an hour is not waited for"
        one.history.append("activity-ended", **back, status="interrupted")
        assert executions(rig) == before
        assert [(owed.step, owed.undo) for owed in owed_undos(one.history.events())] == [("fail-over", "fail_back")]
    gc.collect()  # or a later test would be blamed
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_a_failback_begins_as_soon_as_it_can_end(rig: Rig, lost_home: OpenDrill) -> None:
    serve_in_osaka(rig)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(fail_back(configuration=rig.configuration)))
    thread.start()
    wait_for(lambda: lost_home.history.events("database-not-ready"))
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"
    rig.lab.supervisor.connect()
    thread.join(LONG_S)
    assert done[0]["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_as_a_rollback_it_serves_where_the_writer_is_before_it_waits(rig: Rig, lost_home: OpenDrill) -> None:
    """The method was cut off when the database had moved, and nothing else: every region is closed."""
    with fails_with("database-not-synchronized"):
        fail_back(timeout_s=1, undo_of="close-home", configuration=rig.configuration)
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"
    assert [row["region"] for row in lost_home.history.events("opening-region")] == [OSAKA]


def test_as_a_rollback_it_serves_where_the_writer_is_when_the_machine_stops_half_way(
    rig: Rig, one_drill: OpenDrill
) -> None:
    """It has closed Osaka and routed home, and then the switchover is refused."""
    one_drill.history.append("activity-started", activity="fail-over")
    fail_over(configuration=rig.configuration)
    refused_switchover = fault(rig, "rds", "server-error", operation="FailoverGlobalCluster", everyone=True)
    with refused_switchover, fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert writer_region(configuration=rig.configuration) == OSAKA
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_as_a_rollback_it_serves_where_the_writer_is_when_the_machine_succeeds_and_the_writer_has_not_moved(
    rig: Rig, one_drill: OpenDrill
) -> None:
    """Aurora accepts the switchover and gives it up; the machine opens Tokyo, as the cluster is available again."""
    one_drill.history.append("activity-started", activity="fail-over")
    fail_over(configuration=rig.configuration)
    rig.lab.supervisor.refuse["database.switchover"] = "home does not follow"
    with fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert one_drill.history.events("execution-ended")[-1]["status"] == "SUCCEEDED"
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"


def test_a_failed_machine_whose_states_cannot_be_read_is_a_failed_machine(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="fail-over")
    fail_over(configuration=rig.configuration)
    refused_switchover = fault(rig, "rds", "server-error", operation="FailoverGlobalCluster", everyone=True)
    unreadable = fault(rig, "stepfunctions", "denied", operation="GetExecutionHistory")
    with refused_switchover, unreadable, fails_with("service-restored-by-rollback"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    assert region_state(configuration=rig.configuration) == f"serving({OSAKA})"
    assert one_drill.history.events("execution-ended")[-1]["status"] == "FAILED"


def test_a_rollback_opens_the_region_that_is_routed_to_although_no_arc_endpoint_responds(
    rig: Rig, one_drill: OpenDrill
) -> None:
    """The failover closed Tokyo, and stopped where it had to switch the routing controls."""
    one_drill.history.append("activity-started", activity="fail-over")
    rig.flag(TOKYO, "true")
    for region in rig.endpoint_regions():
        rig.impair(region, True)
    with fails_with("routing-unreadable"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)
    for region in rig.endpoint_regions():
        rig.impair(region, False)
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_a_region_whose_cluster_has_left_the_global_cluster_is_not_moved_to(rig: Rig, tmp_path: Path) -> None:
    """Somebody has detached it, or it was made anew under another name."""
    known = rig.lab.topology["database"]
    clusters = {**known["clusters"], OSAKA: f"{known['clusters'][OSAKA]}-2"}
    configuration = rig.other_topology(tmp_path / "topology.yaml", database={**known, "clusters": clusters})
    before = executions(rig)
    with fails_with("replica-unknown"):
        fail_over(timeout_s=1, configuration=configuration)
    with fails_with("replica-unknown"):
        enable_automatic_failover(RULE, configuration=configuration)
    assert executions(rig) == before
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_a_rollback_that_cannot_open_a_region_says_so(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="fail-over")
    fail_over(configuration=rig.configuration)
    refused_switchover = fault(rig, "rds", "server-error", operation="FailoverGlobalCluster", everyone=True)
    unwritable = fault(rig, "dynamodb", "server-error", operation="UpdateItem")
    with refused_switchover, unwritable, fails_with("service-not-restored"):
        fail_back(undo_of="fail-over", configuration=rig.configuration)


def test_the_database_alone_does_not_move_there_either(rig: Rig, lost_home: OpenDrill) -> None:
    with fails_with("database-not-synchronized"):
        switch_over_database("home", timeout_s=1, configuration=rig.configuration)
    with fails_with("database-not-synchronized"):
        fail_over_database("home", data_loss="allowed", configuration=rig.configuration)
    assert writer_region(configuration=rig.configuration) == OSAKA


def test_a_planned_change_waits_until_the_old_primary_is_rebuilt(rig: Rig, lost_home: OpenDrill) -> None:
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(switch_over_database("home", configuration=rig.configuration)))
    thread.start()
    wait_for(lambda: lost_home.history.events("database-not-ready"))
    rig.lab.supervisor.connect()
    thread.join(LONG_S)
    assert (done[0]["done"], done[0]["was"]) == (True, OSAKA)


def test_a_failover_to_a_standby_that_is_rebuilt_is_not_begun_nor_allowed_to_begin(rig: Rig) -> None:
    """Home was the region that took over."""
    rig.writer(OSAKA)
    with rig.lab.supervisor.resync_held():
        fail_over_database("home", data_loss="allowed", configuration=rig.configuration)
        with fails_with("database-not-synchronized"):
            enable_automatic_failover(RULE, configuration=rig.configuration)
        with fails_with("database-not-synchronized"):
            fail_over(timeout_s=1, configuration=rig.configuration)
        assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"


def test_a_global_cluster_that_does_not_exist_is_not_waited_for(rig: Rig, tmp_path: Path) -> None:
    wrong = {**rig.lab.topology["database"], "global_cluster": "nobody"}
    configuration = rig.other_topology(tmp_path / "topology.yaml", database=wrong)
    began_s = time.monotonic()
    with fails_with("database-unreadable"):
        switch_over_database("standby", timeout_s=LONG_S, configuration=configuration)
    assert time.monotonic() - began_s < LONG_S


def test_a_status_that_is_not_reported_is_no_obstacle() -> None:
    arns = {region: f"arn:aws:rds:{region}:1:cluster:one" for region in (TOKYO, OSAKA)}
    members = [{"DBClusterArn": arn, "IsWriter": region == TOKYO} for region, arn in arns.items()]
    cluster = parsed({"Status": aurora.AVAILABLE, "GlobalClusterMembers": members}, arns)
    assert cluster.synchronization == {}
    assert cluster.is_synchronized(OSAKA)
