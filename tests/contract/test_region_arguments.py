"""`region` of activities that act in no region, in all, or where the client host is: it wins over the topology."""

from pathlib import Path
from typing import Any

import pytest

from chaosdrill.automatic_failover.probes import automatic_failover
from chaosdrill.dns.probes import addresses, answering_region, answers_agree, ttl_s
from chaosdrill.heartbeat.actions import start_heartbeat, stop_heartbeat
from chaosdrill.heartbeat.probes import lost_writes
from chaosdrill.history import OpenDrill
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import load_health
from chaosdrill.packet_loss.probes import fault_landed
from chaosdrill.region.probes import region_facts, region_state
from chaosdrill.routing.probes import active_routing_region, cluster_endpoints_reachable
from chaosdrill.service.actions import restore_desired_count, set_desired_count
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with

NOBODY = "i-0123456789abcdef0"
SERVICE = {"cluster": "tokyo-app", "service": "transaction"}


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


class TestRegionState:
    def test_the_region_that_is_to_serve_is_waited_for(self, rig: Rig) -> None:
        for name in ("home", TOKYO, "active"):
            seen = region_state(within_s=0, region=name, configuration=rig.configuration)
            assert seen == f"serving({TOKYO})", name
        rig.lab.run_machine("FailoverStateMachine")
        assert region_state(within_s=20, region="standby", configuration=rig.configuration) == f"serving({OSAKA})"
        assert region_state(within_s=0.2, region="home", configuration=rig.configuration) == f"serving({OSAKA})"
        with fails_with("region-unknown"):
            region_state(region="Kyoto", configuration=rig.configuration)
        with fails_with("argument-invalid"):
            region_state(region="home", expected="dark", configuration=rig.configuration)

    def test_the_facts_of_one_region_are_its_own(self, rig: Rig) -> None:
        home, standby = (region_facts(name, configuration=rig.configuration) for name in ("home", "standby"))
        assert home == {"region": TOKYO, "flag": False, "routing": "On", "writer": True, "dns": True, "running": []}
        assert standby == {
            "region": OSAKA,
            "flag": True,
            "routing": "Off",
            "writer": False,
            "dns": False,
            "running": [],
        }
        rig.flag(TOKYO, None)
        unread = region_facts("home", configuration=rig.configuration)["flag"]
        assert "stopFlag" in unread["error"], "the key of the item that is missing"


class TestRouting:
    def test_one_endpoint_of_the_cluster_is_asked(self, rig: Rig) -> None:
        given = {"configuration": rig.configuration}
        rig.impair(TOKYO, True)
        assert [cluster_endpoints_reachable(name, **given) for name in ("home", "active")] == [0, 0]
        assert cluster_endpoints_reachable("us-west-2", **given) == 1
        assert active_routing_region(region="us-west-2", **given) == TOKYO
        with fails_with("routing-unreadable"):
            active_routing_region(region=TOKYO, **given)
        for ask in (cluster_endpoints_reachable, active_routing_region):
            with fails_with("cluster-endpoint-missing"):
                ask(region=OSAKA, **given)


class TestServices:
    def test_only_those_of_the_region_are_given_back(self, rig: Rig, one_drill: OpenDrill) -> None:
        one_drill.history.append("activity-started", activity="take-away")
        set_desired_count(count=0, **SERVICE, configuration=rig.configuration)
        standby = restore_desired_count("take-away", region="standby", configuration=rig.configuration)
        assert standby == {"done": False, "services": []}
        home = restore_desired_count("take-away", region="home", configuration=rig.configuration)
        assert [(one["region"], one["is"]) for one in home["services"]] == [(TOKYO, 2)]


def test_the_machine_that_fails_over_by_itself_is_looked_for_there(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("automatic-failover-watched", latest="none")
    with fails_with("state-machine-missing") as missing:
        automatic_failover(within_s=0, region="home", configuration=rig.configuration)
    assert TOKYO in str(missing.value)


def test_a_fault_on_a_host_of_another_region_is_not_judged(rig: Rig, one_drill: OpenDrill) -> None:
    """Nobody answers for Locust here: where a fault is judged, its clock is missing."""
    host = {**rig.lab.topology["client"], "region": TOKYO}
    for event in ("fault-injecting", "fault-running"):
        one_drill.history.append(event, load_clock={"error": "nobody"}, dropped={"value": None}, host=host)
    with fails_with("load-unreadable"):
        fault_landed(region="home", configuration=rig.configuration)
    assert fault_landed(region="standby", configuration=rig.configuration) is False


class TestClientHost:
    def test_it_is_asked_for_names_though_the_topology_has_another(self, rig: Rig, tmp_path: Path) -> None:
        client = {**rig.lab.topology["client"], "instance_id": NOBODY, "region": OSAKA}
        here: dict[str, Any] = {
            "configuration": rig.other_topology(tmp_path / "t.yaml", client=client),
            "region": "home",
            "instance_id": rig.lab.topology["client"]["instance_id"],
        }
        nameserver = f"127.0.0.1:{rig.lab.plan.dns_port}"
        assert addresses(nameserver=nameserver, **here) == ["10.100.5.165", "10.100.9.84"]
        assert answering_region(nameserver=nameserver, **here) == TOKYO
        assert ttl_s(seen_from="client", nameserver=nameserver, **here) == 1
        assert answers_agree([nameserver, "here"], **here) is True
        with fails_with("client-host-unused"):
            ttl_s(**here)
        with fails_with("ssm-agent-offline") as offline:
            addresses(nameserver=nameserver, **{**here, "instance_id": None})
        assert NOBODY in str(offline.value)

    @pytest.mark.parametrize("run", [{"run": "local"}, {"url": "http://127.0.0.1:9"}])
    def test_it_cannot_be_chosen_where_load_comes_from_no_host(
        self, rig: Rig, tmp_path: Path, run: dict[str, str]
    ) -> None:
        configuration = rig.other_topology(tmp_path / "t.yaml", client=rig.client_host(**run))
        for given in ({"region": "home"}, {"region": "home", "instance_id": NOBODY}):
            calls: list[Any] = [start_load, stop_load, load_health, lambda **more: change_load(2, **more)]
            for call in calls:
                with fails_with("client-host-unused") as unused:
                    call(**given, configuration=configuration)
                assert all(name in str(unused.value) for name in given), "each argument that is to be left out"

    def test_a_heartbeat_that_runs_here_is_on_no_host(self, rig: Rig, tmp_path: Path) -> None:
        sent = {**rig.lab.topology["heartbeat"], "run": "local"}
        configuration = rig.other_topology(tmp_path / "t.yaml", heartbeat=sent)
        calls: list[Any] = [start_heartbeat, stop_heartbeat]
        for call in calls:
            with fails_with("client-host-unused"):
                call(instance_id=NOBODY, configuration=configuration)


def test_lost_writes_of_a_region_that_is_none_are_not_read_back(rig: Rig) -> None:
    with fails_with("region-unknown"):
        lost_writes("after", region="Kyoto", configuration=rig.configuration)
