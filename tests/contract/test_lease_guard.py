"""What a drill may still do with the lab's AWS endpoint when too little of its lease remains, by the endpoint's log."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chaosdrill.aws import system_of
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import READING_COMMANDS, guarded_by
from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss import experiments, in_force
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

CLOSE = {"region": "standby", "value": False}


@dataclass
class Lease:
    """A lease of which too little is left once it was asked so many times."""

    enough_for: int = 0
    run: str = "this-run"
    asked: int = 0

    def remaining_s(self) -> float:
        self.asked += 1
        return 1000.0 if self.asked <= self.enough_for else 7.5

    def wait_for_renewal(self, needed_s: float, within_s: float) -> bool:
        return False

    def refuses_undo(self) -> str:
        return ""


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> Iterator[None]:
    rig.go_home()
    yield
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    rig.go_home()


def changes_since(rig: Rig, since: int) -> list[str]:
    """What the drill's clients have changed, or tried to, by the endpoint's own log."""
    calls = get(f"{rig.lab.url}/chaosdrill/calls?since={since}")[1]["calls"]
    made: list[dict[str, Any]] = [one for one in calls if one["by"] == "chaosdrill"]
    return [one["operation"] for one in made if changes_something(one["operation"])]


def last_call(rig: Rig) -> int:
    return max((one["number"] for one in get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]), default=0)


def break_aws(rig: Rig, service: str, kind: str, operation: str, calls: int | None = 1) -> None:
    fault = {"service": service, "kind": kind, "operation": operation, "calls": calls}
    assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200


def test_no_change_reaches_aws_and_reads_do(rig: Rig, one_drill: OpenDrill) -> None:
    before = last_call(rig)
    with guarded_by(Lease()):
        with fails_with("lease-ended"):
            set_stop_flag(**CLOSE, configuration=rig.configuration)
        assert stop_flag(OSAKA, configuration=rig.configuration) is True
        in_force.loss_rules(system_of(rig.configuration))
    assert changes_since(rig, before) == ["SendCommand"]
    [sent] = rig.lab.client("ssm", TOKYO).list_commands()["Commands"][:1]
    assert sent["Comment"] == "chaosdrill: list-packet-loss"
    assert "list-packet-loss" in READING_COMMANDS
    assert [(row["operation"], row.get("sent")) for row in one_drill.history.events("aws-call")][:1] == [
        ("UpdateItem", False)
    ]


@pytest.mark.parametrize("kind", ["server-error", "reset"])
def test_a_retry_is_not_sent(rig: Rig, one_drill: OpenDrill, kind: str) -> None:
    before = last_call(rig)
    break_aws(rig, "dynamodb", kind, "UpdateItem")
    with guarded_by(Lease(enough_for=1)), fails_with("lease-ended"):
        set_stop_flag(**CLOSE, configuration=rig.configuration)
    assert changes_since(rig, before) == ["UpdateItem"]
    assert stop_flag(OSAKA, configuration=rig.configuration) is True


def test_an_attempt_that_was_carried_out_before_its_retry_was_refused_is_found(rig: Rig, one_drill: OpenDrill) -> None:
    before = last_call(rig)
    break_aws(rig, "dynamodb", "lost-answer", "UpdateItem")
    with guarded_by(Lease(enough_for=1)):
        assert set_stop_flag(**CLOSE, configuration=rig.configuration)["done"] is True
    assert changes_since(rig, before) == ["UpdateItem"]


def test_a_start_whose_response_was_lost_and_that_is_repeated_starts_one_fault(rig: Rig, one_drill: OpenDrill) -> None:
    """Not even a list of the experiments shows the first: FIS itself knows its token."""
    system = system_of(rig.configuration)
    first = inject_packet_loss(sources="10.100.5.165", duration_s=36_000, configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)
    template, token = first["template_id"], experiments.start_token()

    def ours() -> list[str]:
        listed = rig.lab.client("fis", TOKYO).list_experiments()["experiments"]
        own = [one["id"] for one in listed if one["tags"].get("chaosdrill-run") == one_drill.run_id]
        return [one for one in own if one != first["experiment_id"]]

    break_aws(rig, "fis", "lost-answer", "StartExperiment", None)
    break_aws(rig, "fis", "denied", "ListExperiments", None)
    with fails_with("change-unknown"):
        experiments.start(system, template, TOKYO, 3)
    get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    [started] = wait_for(ours)
    assert experiments.start(system, template, TOKYO, LONG_S) == started
    assert ours() == [started]
    assert experiments.start_token() != token, "the next start is another one"
