"""Flags, routing, writer and the region state, against the lab's AWS endpoint."""

import threading
import time
from pathlib import Path

import pytest

from chaosdrill.aws import System, deadlines, dynamodb, system_of
from chaosdrill.client.commands import run_on_client
from chaosdrill.database.actions import switch_over_database
from chaosdrill.database.probes import database_status, writer_region
from chaosdrill.dns.probes import addresses, answering_region, ttl_s
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.history import OpenDrill
from chaosdrill.region import facts
from chaosdrill.region.probes import region_facts, region_state
from chaosdrill.routing.actions import set_routing
from chaosdrill.routing.probes import active_routing_region, routing_state
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


class TestStopFlag:
    def test_is_read_by_name_and_by_role(self, rig: Rig) -> None:
        by = {name: stop_flag(name, configuration=rig.configuration) for name in (TOKYO, "home", "standby", "active")}
        assert by == {TOKYO: False, "home": False, "standby": True, "active": False}

    def test_is_set_and_says_how_to_undo_it(self, rig: Rig, one_drill: OpenDrill) -> None:
        done = set_stop_flag("home", True, expected=False, configuration=rig.configuration)
        assert done == {"done": True, "region": TOKYO, "was": False, "is": True}
        assert stop_flag("home", configuration=rig.configuration) is True
        undo = one_drill.history.events("undo")[0]
        assert (undo["undo"], undo["arguments"]) == ("set_stop_flag", {"region": TOKYO, "value": False})

    def test_does_nothing_when_it_is_so_already(self, rig: Rig) -> None:
        assert set_stop_flag("standby", True, configuration=rig.configuration)["done"] is False

    def test_is_not_set_when_it_is_not_as_expected(self, rig: Rig) -> None:
        with fails_with("stop-flag-unexpected"):
            set_stop_flag("home", True, expected=True, configuration=rig.configuration)
        assert stop_flag("home", configuration=rig.configuration) is False

    def test_a_change_by_someone_else_in_between_is_noticed(self, rig: Rig) -> None:
        with fails_with("change-not-made") as refused:
            dynamodb.write_stop_flag(system_of(rig.configuration), TOKYO, True, expected=True)
        assert isinstance(refused.value.__cause__, DrillError)
        assert refused.value.__cause__.code == "stop-flag-changed"

    def test_a_missing_item_or_table_is_not_false(self, rig: Rig, tmp_path: Path) -> None:
        rig.flag(TOKYO, None)
        with fails_with("stop-flag-missing"):
            stop_flag("home", configuration=rig.configuration)
        rig.flag(TOKYO, "maybe")
        with fails_with("stop-flag-invalid"):
            stop_flag("home", configuration=rig.configuration)
        wrong = {**rig.lab.topology["stop_flag"], "tables": {TOKYO: "Nagoya", OSAKA: "Nagoya"}}
        with fails_with("stop-flag-unreadable"):
            stop_flag("home", configuration=rig.other_topology(tmp_path / "t.yaml", stop_flag=wrong))

    def test_active_needs_exactly_one_open_region(self, rig: Rig) -> None:
        rig.flag(TOKYO, "true")
        with fails_with("no-single-active-region"):
            stop_flag("active", configuration=rig.configuration)

    def test_an_unknown_region_is_told_with_those_there_are(self, rig: Rig) -> None:
        with fails_with("region-unknown"):
            stop_flag("nagoya", configuration=rig.configuration)


class TestRouting:
    def test_both_controls_change_in_one_call(self, rig: Rig, one_drill: OpenDrill) -> None:
        done = set_routing("standby", configuration=rig.configuration)
        assert (done["done"], done["region"], done["was"]) == (True, OSAKA, {TOKYO: "On", OSAKA: "Off"})
        states = [routing_state(name, configuration=rig.configuration) for name in ("home", "standby")]
        assert states == ["Off", "On"]
        assert active_routing_region(configuration=rig.configuration) == OSAKA
        assert one_drill.history.events("undo")[0]["routing_states"] == {TOKYO: "On", OSAKA: "Off"}
        assert set_routing("standby", configuration=rig.configuration)["done"] is False

    @pytest.mark.parametrize("alive", range(5))
    def test_any_four_endpoints_may_be_down(self, rig: Rig, alive: int) -> None:
        regions = rig.endpoint_regions()
        for region in set(regions) - {regions[alive]}:
            rig.impair(region, True)
        assert set_routing("standby", configuration=rig.configuration)["endpoint"] == regions[alive]
        assert routing_state("standby", configuration=rig.configuration) == "On"

    def test_an_endpoint_where_nobody_listens_is_passed_over(self, rig: Rig, tmp_path: Path) -> None:
        routing = rig.lab.topology["routing"]
        dead = [{**one, "url": f"http://127.0.0.1:9/{one['region']}"} for one in routing["cluster_endpoints"][1:]]
        changed = {**routing, "cluster_endpoints": [routing["cluster_endpoints"][0], *dead]}
        configuration = rig.other_topology(tmp_path / "t.yaml", routing=changed)
        assert active_routing_region(configuration=configuration) == TOKYO

    def test_with_all_down_every_endpoint_is_named(self, rig: Rig) -> None:
        for region in rig.endpoint_regions():
            rig.impair(region, True)
        with fails_with("routing-unreadable") as caught:
            routing_state("home", configuration=rig.configuration)
        assert all(f"{region}: " in str(caught.value) for region in rig.endpoint_regions())

    def test_a_safety_rule_is_named_and_not_tried_elsewhere(self, rig: Rig) -> None:
        config = rig.lab.client("route53-recovery-control-config", "us-west-2")
        controls = rig.lab.topology["routing"]["controls"]
        panel = controls[TOKYO].split("/routingcontrol/")[0]
        rule = config.create_safety_rule(
            AssertionRule={
                "Name": "tokyo-stays-on",
                "ControlPanelArn": panel,
                "AssertedControls": [controls[TOKYO]],
                "RuleConfig": {"Type": "ATLEAST", "Threshold": 1, "Inverted": False},
                "WaitPeriodMs": 0,
            }
        )["AssertionRule"]["SafetyRuleArn"]
        try:
            with fails_with("safety-rule-forbids") as refused:
                set_routing("standby", configuration=rig.configuration)
            assert "tokyo-stays-on" in str(refused.value)
        finally:
            config.delete_safety_rule(SafetyRuleArn=rule)
        assert active_routing_region(configuration=rig.configuration) == TOKYO

    def test_none_and_several_are_told(self, rig: Rig) -> None:
        rig.route(tokyo="Off", osaka="Off")
        assert active_routing_region(configuration=rig.configuration) == "none"
        rig.route(tokyo="On", osaka="On")
        assert active_routing_region(configuration=rig.configuration) == "several"


class TestDatabase:
    def test_the_writer_moves_and_it_is_waited_for(self, rig: Rig, one_drill: OpenDrill) -> None:
        assert database_status(configuration=rig.configuration) == "available"
        done = switch_over_database("standby", timeout_s=20, configuration=rig.configuration)
        assert (done["done"], done["region"], done["was"]) == (True, OSAKA, TOKYO)
        assert done["seconds"] >= 0.3
        assert writer_region(configuration=rig.configuration) == OSAKA
        assert switch_over_database("standby", configuration=rig.configuration)["done"] is False
        assert one_drill.history.events("undo")[0]["arguments"] == {"region": TOKYO}

    def test_what_lasts_too_long_is_told_as_it_stands(self, rig: Rig) -> None:
        with rig.lab.supervisor.writer_held():
            with fails_with("timed-out"):
                switch_over_database("standby", timeout_s=0.2, configuration=rig.configuration)
            with fails_with("database-not-available"):
                switch_over_database("standby", timeout_s=0.2, configuration=rig.configuration)

    def test_an_unknown_global_cluster_is_no_writer(self, rig: Rig, tmp_path: Path) -> None:
        wrong = {**rig.lab.topology["database"], "global_cluster": "nobody"}
        with fails_with("database-unreadable"):
            writer_region(configuration=rig.other_topology(tmp_path / "t.yaml", database=wrong))


class TestRegionState:
    def test_home_serves_at_rest(self, rig: Rig) -> None:
        assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"
        facts = region_facts(configuration=rig.configuration)
        assert facts == {
            "flag": {TOKYO: False, OSAKA: True},
            "routing": {TOKYO: "On", OSAKA: "Off"},
            "writer": TOKYO,
            "dns": {"addresses": ["10.100.5.165", "10.100.9.84"], "regions": [TOKYO]},
            "running": [],
        }

    def test_closed_everywhere_is_dark(self, rig: Rig) -> None:
        rig.flag(TOKYO, "true")
        assert region_state(configuration=rig.configuration) == "dark"

    def test_two_open_regions_or_a_lone_step_are_a_split(self, rig: Rig) -> None:
        rig.flag(OSAKA, "false")
        assert region_state(configuration=rig.configuration) == "split"
        rig.flag(OSAKA, "true")
        rig.route(tokyo="Off", osaka="On")
        assert region_state(configuration=rig.configuration) == "split"

    def test_one_unreadable_fact_makes_it_unknown_and_spoils_no_other(self, rig: Rig, tmp_path: Path) -> None:
        rig.flag(TOKYO, None)
        assert region_state(configuration=rig.configuration) == "unknown"
        facts = region_facts(configuration=rig.configuration)
        assert "stopFlag" in facts["flag"]["error"], "the key of the item that is missing"
        assert facts["writer"] == TOKYO
        silent = rig.other_topology(tmp_path / "t.yaml", dns={"nameserver": "127.0.0.1", "port": 9})
        rig.flag(TOKYO, "false")
        assert region_state(configuration=silent) == "unknown"

    def test_no_flag_is_read_before_the_executions_that_may_open_it(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that ends between the two would have left a closed region and nobody who moves it: dark."""
        read, asked = facts._running, threading.Event()

        def running(system: System) -> list[str]:
            assert not asked.wait(0.3), "a flag was read first"
            return read(system)

        def flags(system: System) -> dict[str, bool]:
            asked.set()
            return {TOKYO: False, OSAKA: True}

        monkeypatch.setattr(facts, "_running", running)
        monkeypatch.setattr(facts, "_flags", flags)
        assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"
        assert asked.is_set()

    def test_one_that_began_while_the_flags_were_read_is_seen_before_anything_is_called_dark(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = iter([[], ["arn:of:an:execution"], []])
        monkeypatch.setattr(facts, "_running", lambda system: next(looks))
        monkeypatch.setattr(facts, "_flags", lambda system: {TOKYO: True, OSAKA: True})
        assert region_state(configuration=rig.configuration) == "moving"
        monkeypatch.setattr(facts, "_flags", lambda system: {TOKYO: False, OSAKA: True})
        assert region_state(configuration=rig.configuration) == f"serving({TOKYO})", "read once then"

    def test_a_look_that_others_share_ends_with_nobodys_deadline(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left: list[bool] = []
        for name in ("_running", "_flags", "_dns"):
            monkeypatch.setattr(facts, name, lambda system: left.append(deadlines.over()))
        with deadlines.within(0):
            region_facts(configuration=rig.configuration)
        assert left == [False] * 3

    def test_it_waits_for_what_is_expected(self, rig: Rig) -> None:
        rig.flag(TOKYO, "true")
        assert region_state(within_s=0.2, configuration=rig.configuration) == "dark", "the last state, when time is up"
        assert region_state(within_s=5, expected="dark", configuration=rig.configuration) == "dark"

    def test_in_a_lab_drill_that_was_interrupted_it_does_not_wait_long(self, rig: Rig, one_drill: OpenDrill) -> None:
        rig.flag(TOKYO, "true")
        one_drill.history.append("interrupted", signal="SIGINT", phase="method")
        began = time.monotonic()
        assert region_state(within_s=600, configuration=rig.configuration) == "dark"
        assert time.monotonic() - began < 600

    def test_a_running_failover_is_moving(self, rig: Rig) -> None:
        sfn = rig.lab.client("stepfunctions")
        with rig.lab.supervisor.writer_held():
            arn = sfn.start_execution(stateMachineArn=rig.lab.machine("FailoverStateMachine"))["executionArn"]
            assert region_state(within_s=20, expected="moving", configuration=rig.configuration) == "moving"
        rig.lab.ended(arn)
        assert region_state(within_s=5, configuration=rig.configuration) == f"serving({OSAKA})"


class TestDns:
    def test_here_it_is_the_topology_s_name_server(self, rig: Rig) -> None:
        assert addresses(seen_from="here", configuration=rig.configuration) == ["10.100.5.165", "10.100.9.84"]
        assert answering_region(seen_from="here", configuration=rig.configuration) == TOKYO
        assert ttl_s(configuration=rig.configuration) == 1
        rig.route(tokyo="Off", osaka="On")
        moved = answering_region(seen_from="here", within_s=5, expected="standby", configuration=rig.configuration)
        assert moved == OSAKA
        assert answering_region(seen_from="here", expected="home", configuration=rig.configuration) == OSAKA

    def test_a_name_without_address_has_none(self, rig: Rig) -> None:
        nobody = "nobody.example.com"
        assert addresses(nobody, "here", configuration=rig.configuration) == []
        assert answering_region(nobody, "here", configuration=rig.configuration) == "none"
        with fails_with("dns-ttl-unknown"):
            ttl_s(nobody, configuration=rig.configuration)

    def test_a_silent_name_server_is_not_an_empty_answer(self, rig: Rig, tmp_path: Path) -> None:
        silent = rig.other_topology(tmp_path / "t.yaml", dns={"nameserver": "127.0.0.1", "port": 9})
        with fails_with("dns-unanswered"):
            addresses(seen_from="here", configuration=silent)

    @pytest.mark.parametrize("name", ["a; reboot", "$(id)", "-x", "a..b", "a.-b", "x" * 64 + "." * 2])
    def test_what_is_no_name_reaches_no_shell(self, rig: Rig, name: str) -> None:
        before = len(rig.lab.supervisor.asked("client.run"))
        with fails_with("argument-invalid"):
            addresses(name, configuration=rig.configuration)
        assert len(rig.lab.supervisor.asked("client.run")) == before


class TestClientHost:
    def test_a_command_runs_there_and_its_output_comes_back(self, rig: Rig) -> None:
        done = run_on_client(system_of(rig.configuration), "echo out; echo err >&2")
        assert (done.status, done.exit_code, done.stdout, done.stderr) == ("Success", 0, "out\n", "err\n")

    def test_a_command_that_fails_tells_how(self, rig: Rig) -> None:
        system = system_of(rig.configuration)
        with fails_with("client-command-failed") as failed:
            run_on_client(system, "echo nonesuch >&2; exit 37")
        assert all(told in str(failed.value) for told in ("37", "nonesuch")), "its exit code and what it printed"
        assert run_on_client(system, "exit 2", allowed_exit_codes=(0, 2)).exit_code == 2

    def test_a_command_that_does_not_end_is_told_and_the_agent_with_it(self, rig: Rig) -> None:
        with pytest.raises(CannotSee) as late:
            run_on_client(system_of(rig.configuration), "sleep 1; exit 124", timeout_s=0.2)  # as a host ends it
        assert late.value.code == "command-timed-out"
        assert "Online" in str(late.value), "the state of the SSM agent"

    def test_a_host_without_agent_is_told(self, rig: Rig, tmp_path: Path) -> None:
        client = {**rig.lab.topology["client"], "instance_id": "i-00000000"}
        elsewhere = rig.other_topology(tmp_path / "t.yaml", client=client)
        with fails_with("ssm-agent-offline"):
            run_on_client(system_of(elsewhere), "true")
