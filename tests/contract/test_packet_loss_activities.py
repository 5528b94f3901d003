"""The packet-loss fault by FIS, against the lab's AWS endpoint; what it does to packets is tested in tests/lab."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.packet_loss.probes import fault_landed, fault_state
from chaosdrill.packet_loss.role_documents import trust
from tests.contract.activities_rig import TOKYO, Rig, drill, outside
from tests.failing import fails_with
from tests.waiting import wait_for

ADDRESSES = "10.100.5.165,10.100.9.84"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


def inject(rig: Rig, **arguments: Any) -> dict[str, Any]:
    """Inject packet loss, for ten minutes at this scale: it is over when a test says so."""
    asked: dict[str, Any] = {"sources": ADDRESSES, "duration_s": 36_000, **arguments}
    done: dict[str, Any] = inject_packet_loss(**asked, configuration=rig.configuration)
    return done


def template_count(rig: Rig) -> int:
    return len(rig.lab.client("fis", TOKYO).list_experiment_templates()["experimentTemplates"])


@pytest.mark.long
def test_it_is_the_runbook_s_experiment(rig: Rig, one_drill: OpenDrill) -> None:
    done = inject(rig)
    client = rig.lab.client("fis", TOKYO)
    experiment = client.get_experiment(id=done["experiment_id"])["experiment"]
    template = client.get_experiment_template(id=done["template_id"])["experimentTemplate"]
    assert template["tags"]["Name"] == "exp-packetloss"
    action = template["actions"]["Run-Network-Packet-Loss"]
    assert action["parameters"]["documentArn"] == (
        "arn:aws:ssm:ap-northeast-1::document/AWSFIS-Run-Network-Packet-Loss-Sources"
    )
    assert json.loads(action["parameters"]["documentParameters"])["Sources"] == ADDRESSES
    assert experiment["state"]["status"] == "running"
    assert experiment["tags"]["chaosdrill-run"] == one_drill.run_id
    assert fault_state(configuration=rig.configuration) == "running"
    asked = rig.lab.supervisor.asked("packet_loss.inject")[-1]
    assert (asked["percent"], asked["sources"], asked["traffic_type"]) == (30, ADDRESSES.split(","), "ingress")
    events = [row["event"] for row in one_drill.history.events() if row["event"] != "aws-call"]
    assert events == ["undo", "fault-injecting", "fault-started", "fault-running"]


def test_it_waits_until_the_host_loses_packets_not_until_fis_says_so(rig: Rig, one_drill: OpenDrill) -> None:
    """The lab's first document of a host installs its tools first; by then FIS calls the action running."""
    inject(rig)
    running = one_drill.history.events("fault-running")
    assert len(running) == 1
    assert rig.lab.supervisor.asked("packet_loss.inject"), "before it returned"


@pytest.mark.long
def test_a_fault_that_the_host_never_shows_is_told_with_what_its_command_printed(
    rig: Rig, one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.lab.supervisor, "shows_rules", False)
    with fails_with("fault-not-in-force") as failed:
        inject(rig, timeout_s=3)
    assert all(word in str(failed.value) for word in ("InstallDependencies", "Success"))
    assert heal_packet_loss(configuration=rig.configuration)["done"], "it may act later"


def test_an_engaged_safety_lever_is_told_before_anything_starts(rig: Rig, one_drill: OpenDrill) -> None:
    fis = rig.lab.client("fis", TOKYO)
    fis.update_safety_lever_state(id="default", state={"status": "engaged", "reason": "a festival"})
    try:
        before = template_count(rig)
        with fails_with("safety-lever-engaged") as refused:
            inject(rig)
        assert "festival" in str(refused.value)
        assert template_count(rig) == before
    finally:
        fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})


def test_it_is_healed_by_tag_and_once_only(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("activity-started", activity="inject-packet-loss")
    done = inject(rig)
    healed = heal_packet_loss(undo_of="inject-packet-loss", configuration=rig.configuration)
    assert healed == {"done": True, "experiments": [{"id": done["experiment_id"], "state": "stopped"}]}
    assert len(rig.lab.supervisor.asked("packet_loss.heal")) >= 1
    again = heal_packet_loss(undo_of="inject-packet-loss", configuration=rig.configuration)
    assert (again["done"], again["why"]) == (False, "already over")
    assert fault_state(configuration=rig.configuration) == "stopped"


def test_healing_leaves_the_faults_of_others_alone(rig: Rig, tmp_path: Path) -> None:
    with drill(tmp_path, "theirs"):
        theirs = inject(rig)["experiment_id"]
    with drill(tmp_path, "ours"):
        assert fault_state(configuration=rig.configuration) == "none"
        healed = heal_packet_loss(configuration=rig.configuration)
        assert (healed["done"], healed["experiments"]) == (False, [])
    assert rig.lab.client("fis", TOKYO).get_experiment(id=theirs)["experiment"]["state"]["status"] == "running"


@pytest.mark.long
def test_role_and_template_are_made_once_and_used_again(rig: Rig) -> None:
    first = inject(rig)
    templates = template_count(rig)
    heal_packet_loss(configuration=rig.configuration)
    second = inject(rig, sources=ADDRESSES.split(","))  # the same, as a list
    assert (second["template_id"], second["role_arn"]) == (first["template_id"], first["role_arn"])
    heal_packet_loss(configuration=rig.configuration)
    other = inject(rig, percent=50)
    assert other["template_id"] != first["template_id"], "the same name, another content"
    assert template_count(rig) == templates + 1
    policies = rig.lab.client("iam").list_role_policies(RoleName="chaosdrill-packet-loss")["PolicyNames"]
    assert policies == ["packet-loss"]


@pytest.mark.long
def test_a_role_that_is_given_is_used(rig: Rig) -> None:
    role, iam = "arn:aws:iam::123456789012:role/ours", rig.lab.client("iam")
    iam.create_role(RoleName="ours", AssumeRolePolicyDocument=json.dumps(trust("aws", "123456789012")))
    policy = iam.get_role_policy(RoleName="fis-experiments", PolicyName="fis")["PolicyDocument"]
    iam.put_role_policy(RoleName="ours", PolicyName="fis", PolicyDocument=json.dumps(policy))
    done = inject(rig, role_arn=role)
    template = rig.lab.client("fis", TOKYO).get_experiment_template(id=done["template_id"])["experimentTemplate"]
    assert template["roleArn"] == role


class TestTraps:
    @pytest.fixture(autouse=True)
    def _nothing_is_started(self, rig: Rig) -> Iterator[None]:
        def started() -> tuple[int, int]:
            return len(rig.lab.client("fis", TOKYO).list_experiments()["experiments"]), template_count(rig)

        before = started()
        yield
        assert started() == before

    def test_wrong_arguments_are_told_at_once(self, rig: Rig) -> None:
        with fails_with("argument-invalid", "argument-invalid", "source-not-an-address"):
            inject(rig, percent=0, sources="api.example.com", duration_s=0)

    def test_fis_shorter_than_the_document(self, rig: Rig) -> None:
        with fails_with("fis-shorter-than-fault"):
            inject(rig, duration_s=120, fis_duration_s=60)

    def test_a_variable_that_was_not_resolved(self, rig: Rig) -> None:
        with fails_with("variable-unresolved"):
            inject(rig, sources="${addresses}")

    def test_a_target_that_is_not_there_and_has_no_agent(self, rig: Rig) -> None:
        with fails_with("fault-target-not-running", "ssm-agent-offline"):
            inject(rig, instance_id="i-0123456789abcdef0")


@pytest.mark.long
def test_another_fault_on_the_host_is_refused(rig: Rig, tmp_path: Path) -> None:
    with drill(tmp_path, "first"):
        inject(rig)
    with (
        drill(tmp_path, "second"),
        fails_with("fault-in-force"),
    ):
        inject(rig)


@pytest.mark.long
def test_fis_s_own_reason_is_passed_on(rig: Rig, one_drill: OpenDrill) -> None:
    rig.lab.supervisor.refuse["packet_loss.inject"] = "no-netem"
    with fails_with("fault-not-started") as failed:
        inject(rig)
    assert "no-netem" in str(failed.value), "what the document's SSM command printed"
    assert heal_packet_loss(configuration=rig.configuration)["why"] == "already over"


def test_what_was_never_injected_never_landed(rig: Rig, one_drill: OpenDrill) -> None:
    assert fault_landed(configuration=rig.configuration) is False
    assert one_drill.history.events("fault-effect")[0]["landed"] is False


def test_without_a_drill_nothing_is_known_of_before(rig: Rig) -> None:
    with outside(), fails_with("no-drill-open"):
        fault_landed(configuration=rig.configuration)


@pytest.mark.long
def test_a_load_generator_that_was_not_there_makes_it_blind(rig: Rig, one_drill: OpenDrill, tmp_path: Path) -> None:
    nobody = rig.other_topology(tmp_path / "topology.yaml", client=rig.client_host(url="http://127.0.0.1:9"))
    inject_packet_loss(sources=ADDRESSES, configuration=nobody)
    with fails_with("load-unreadable"):
        fault_landed(configuration=nobody)


@pytest.mark.long
def test_a_fault_that_runs_out_is_over(rig: Rig, one_drill: OpenDrill) -> None:
    inject(rig, duration_s=300)  # five seconds, at this scale
    wait_for(lambda: fault_state(configuration=rig.configuration) == "completed")
    assert heal_packet_loss(configuration=rig.configuration)["why"] == "already over"
