"""The global database: an unplanned change of writer, its replication lag, explicit names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.database.actions import fail_over_database, switch_over_database
from chaosdrill.database.probes import database_status, replica_lag_s, writer_region
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get, running
from tests.failing import fails_with
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()
    rig.lab.supervisor.lag_s = 0.02


class TestFailover:
    def test_the_writer_moves_without_asking_the_old_one(self, rig: Rig, one_drill: OpenDrill) -> None:
        before = len(rig.lab.supervisor.asked("database.failover"))
        done = fail_over_database("standby", data_loss="allowed", timeout_s=20, configuration=rig.configuration)
        assert (done["done"], done["region"], done["was"]) == (True, OSAKA, TOKYO)
        assert writer_region(configuration=rig.configuration) == OSAKA
        assert rig.lab.supervisor.asked("database.failover")[before:] == [{"to_region": OSAKA}]
        undo = one_drill.history.events("undo")[0]
        assert (undo["undo"], undo["arguments"]) == ("switch_over_database", {"region": TOKYO})
        again = fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        assert (again["done"], again["region"], again["was"]) == (False, OSAKA, OSAKA)

    @pytest.mark.parametrize(
        ("data_loss", "code"),
        [(None, "data-loss-not-allowed"), *((wrong, "argument-invalid") for wrong in (True, "yes", ""))],
    )
    def test_data_loss_must_be_spelled_out(self, rig: Rig, data_loss: Any, code: str) -> None:
        with fails_with(code):
            fail_over_database("standby", data_loss=data_loss, configuration=rig.configuration)
        assert writer_region(configuration=rig.configuration) == TOKYO

    def test_it_is_refused_while_the_writer_moves(self, rig: Rig) -> None:
        with rig.lab.supervisor.writer_held():
            with fails_with("timed-out"):
                switch_over_database("standby", timeout_s=0.2, configuration=rig.configuration)
            with fails_with("database-changing"):
                fail_over_database("standby", data_loss="allowed", configuration=rig.configuration)
        wait_for(lambda: writer_region(configuration=rig.configuration) == OSAKA)

    def test_it_needs_nothing_of_the_region_that_is_lost(self, rig: Rig) -> None:
        fault = {"service": "rds", "kind": "server-error", "region": TOKYO}
        get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
        try:
            done = fail_over_database("standby", data_loss="allowed", timeout_s=20, configuration=rig.configuration)
        finally:
            get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
        assert done["done"] is True

    @pytest.mark.parametrize(
        ("move", "operation", "options"),
        [
            (switch_over_database, "database.switchover", {}),
            (fail_over_database, "database.failover", {"data_loss": "allowed"}),
        ],
    )
    def test_one_that_failed_is_told_without_waiting_for_the_timeout(
        self, rig: Rig, move: Any, operation: str, options: dict[str, str]
    ) -> None:
        rig.lab.supervisor.refuse[operation] = "the standby does not follow"
        with fails_with("writer-not-moved"):
            move("standby", timeout_s=120, **options, configuration=rig.configuration)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Where the global cluster is available 5 s after an unplanned change of its writer."""
    with running(tmp_path_factory.mktemp("slow"), scale=0.5) as lab:
        yield Rig(lab)


class TestAvailability:
    def test_a_failover_that_is_done_leaves_a_cluster_that_is_available(self, slow: Rig) -> None:
        slow.go_home()
        done = fail_over_database("standby", data_loss="allowed", timeout_s=60, configuration=slow.configuration)
        assert (done["region"], done["status"]) == (OSAKA, "available")
        assert database_status(configuration=slow.configuration) == "available"

    def test_one_that_is_not_available_in_time_is_told(self, slow: Rig) -> None:
        slow.go_home()
        slow.lab.supervisor.swap_s = 0.0
        with fails_with("database-not-available"):
            fail_over_database("standby", data_loss="allowed", timeout_s=2, configuration=slow.configuration)


class TestLag:
    def test_it_is_the_follower_s_in_seconds(self, rig: Rig) -> None:
        assert replica_lag_s(within_s=10, configuration=rig.configuration) == pytest.approx(0.02)
        rig.lab.supervisor.lag_s = 4.5
        for region, metric in (("standby", "AuroraGlobalDBReplicationLag"), (None, "AuroraGlobalDBRPOLag")):
            wait_for(lambda r=region, m=metric: replica_lag_s(r, m, configuration=rig.configuration) == 4.5)

    def test_after_a_change_of_writer_it_is_the_other_region_s(self, rig: Rig) -> None:
        switch_over_database("standby", timeout_s=20, configuration=rig.configuration)
        assert replica_lag_s("home", within_s=10, configuration=rig.configuration) == pytest.approx(0.02)
        with fails_with("replica-unknown"):
            replica_lag_s("standby", configuration=rig.configuration)

    def test_a_value_from_before_a_change_of_writer_is_none(self, rig: Rig) -> None:
        assert replica_lag_s(within_s=10, configuration=rig.configuration) == pytest.approx(0.02)
        rig.lab.supervisor.lag_s = None  # no further one is published
        for region in ("standby", "home"):
            switch_over_database(region, timeout_s=20, configuration=rig.configuration)
        with fails_with("metric-missing"):
            replica_lag_s(configuration=rig.configuration)
        rig.lab.supervisor.lag_s = 0.03
        assert replica_lag_s(within_s=15, configuration=rig.configuration) == pytest.approx(0.03)

    def test_a_value_of_another_source_is_none(self, rig: Rig) -> None:
        """As of a region that followed another one before."""
        replica_lag_s(within_s=10, configuration=rig.configuration)  # published for what is so now
        rig.lab.supervisor.lag_s = None
        told = {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBReplicationLag"}
        named = {"DBClusterIdentifier": "osaka-app", "SourceRegion": OSAKA}
        client, wrong = rig.lab.client("cloudwatch", OSAKA), 99_000.0

        def publish() -> None:
            dimensions = [{"Name": name, "Value": value} for name, value in named.items()]
            data = {"MetricName": told["MetricName"], "Dimensions": dimensions, "Value": wrong, "Unit": "Milliseconds"}
            client.put_metric_data(Namespace=told["Namespace"], MetricData=[data])

        publish()
        assert replica_lag_s(configuration=rig.configuration) < 99

    def test_it_may_be_kept_by_the_cluster_alone(self, rig: Rig) -> None:
        """With and without the region that it follows: both are asked for, because ListMetrics tells it too late."""
        usual = replica_lag_s(within_s=10, configuration=rig.configuration)
        rig.lab.supervisor.lag_s = None
        data = {
            "MetricName": "AuroraGlobalDBReplicationLag",
            "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "osaka-app"}],
            "Value": 7_000.0,
            "Unit": "Milliseconds",
        }
        rig.lab.client("cloudwatch", OSAKA).put_metric_data(Namespace="AWS/RDS", MetricData=[data])
        assert wait_for(lambda: replica_lag_s(configuration=rig.configuration), lambda lag: lag == 7, "the value") == 7
        rig.lab.supervisor.lag_s = usual
        wait_for(lambda: replica_lag_s(configuration=rig.configuration) == usual)

    def test_no_value_is_not_zero(self, rig: Rig) -> None:
        rig.lab.supervisor.lag_s = None  # nobody can measure it, so nothing is published, and the last values grow old

        def told() -> str:
            try:
                return str(replica_lag_s(configuration=rig.configuration))
            except ActivityFailed as error:
                return str(error)

        seen = wait_for(lambda: text if "has no value of it" in (text := told()) else "")
        assert all(name in seen for name in ("AuroraGlobalDBReplicationLag", "osaka-app", OSAKA))

    def test_what_cloudwatch_does_not_tell_raises(self, rig: Rig) -> None:
        with fails_with("argument-invalid"):
            replica_lag_s(metric="Lag", configuration=rig.configuration)
        get(f"{rig.lab.url}/chaosdrill/faults", {"service": "cloudwatch", "kind": "server-error"}, "PUT")
        try:
            with fails_with("metric-unreadable"):
                replica_lag_s(configuration=rig.configuration)
        finally:
            get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")


class TestExplicitNames:
    def test_a_global_cluster_that_is_named_wins_over_the_topology_s(self, rig: Rig, tmp_path: Path) -> None:
        name = rig.lab.topology["database"]["global_cluster"]
        wrong = {**rig.lab.topology["database"], "global_cluster": "nobody"}
        configuration = rig.other_topology(tmp_path / "t.yaml", database=wrong)
        named: dict[str, Any] = {"global_cluster": name, "configuration": configuration}
        assert writer_region(**named) == TOKYO
        assert replica_lag_s(within_s=10, **named) >= 0
        assert switch_over_database("standby", timeout_s=20, **named)["was"] == TOKYO
        assert (writer_region(**named), database_status(**named)) == (OSAKA, "available")
        with fails_with("database-unreadable"):
            writer_region(configuration=configuration)

    @pytest.mark.parametrize("region", ["home", OSAKA, "active"])
    def test_the_region_that_is_asked_may_be_named(self, rig: Rig, region: str) -> None:
        assert writer_region(region, configuration=rig.configuration) == TOKYO
        fault = {"service": "rds", "kind": "server-error", "region": OSAKA}
        get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")
        try:
            if region == OSAKA:
                with fails_with("database-unreadable"):
                    database_status(region, configuration=rig.configuration)
            else:
                assert database_status(region, configuration=rig.configuration) == "available"
        finally:
            get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
