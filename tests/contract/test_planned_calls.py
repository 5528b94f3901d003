"""What a dry run says of each action is what the action sends, request by request, when it is run."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient

from chaosdrill.aws import system_of
from chaosdrill.aws.guard import changes_something
from chaosdrill.aws.lease_guard import READING_COMMANDS
from chaosdrill.controls.planned_calls import PlannedCalls
from chaosdrill.history import OpenDrill
from chaosdrill.parts.interface import PlannedCall, PlannedStep
from chaosdrill.parts.registry import part_of_action, undo_rules
from tests.contract.activities_rig import Rig
from tests.contract.lab_aws import get
from tests.contract.test_undo_before_change import ACTIONS, RULE
from tests.further import first_of

Step = tuple[str, Mapping[str, Any]]
OFF: Step = ("disable_automatic_failover", {"rule": RULE})
ON: Step = ("enable_automatic_failover", {"rule": RULE, "undo_of": "disable_automatic_failover"})
SERVICE = ACTIONS["set_desired_count"]
LOSS = {"sources": "10.100.5.165", "percent": "40", "duration_s": "40000"}

# steps that are run one after the other, each with something to do
DRILLS: Mapping[str, Sequence[Step]] = {
    "flag": [("set_stop_flag", {"region": "standby", "value": "false"}), ("set_stop_flag", ACTIONS["set_stop_flag"])],
    "routing": [("set_routing", ACTIONS["set_routing"])],
    "switchover": [("switch_over_database", ACTIONS["switch_over_database"])],
    "unplanned": [("fail_over_database", ACTIONS["fail_over_database"])],
    "there and back": [("fail_over", {}), ("fail_back", {})],
    "rule": [OFF, ON],
    "rule that is off": [("enable_automatic_failover", {"rule": RULE})],
    "count": [("set_desired_count", SERVICE), ("restore_desired_count", {"undo_of": "set_desired_count"})],
    "loss": [("inject_packet_loss", LOSS), ("heal_packet_loss", {})],
    "isolation": [("isolate_region", {}), ("heal_packet_loss", {})],
    "pause": [("pause_replication", {}), ("heal_packet_loss", {})],
}


@pytest.fixture(autouse=True)
def at_home(rig: Rig) -> None:
    """Each test begins at rest."""
    rig.go_home()
    rig.lab.client("events").disable_rule(Name=RULE)


def step_of(action: str, arguments: Mapping[str, Any]) -> PlannedStep:
    part = next((one for one in (part_of_action(action), part_of_action(_undone(action))) if one), None)
    assert part is not None
    return PlannedStep("method", action, f"chaosdrill.{part.name}.actions.{action}", arguments)


def _undone(action: str) -> str:
    return next((rule.action for rule in undo_rules().values() if rule.undo == action), "")


@contextmanager
def sent() -> Iterator[list[PlannedCall]]:
    """Every request of this process that changes something, but for commands on the client host that only read."""
    found: list[PlannedCall] = []
    call = BaseClient._make_api_call

    def record(self: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        comment = str(parameters.get("Comment", "")).removeprefix("chaosdrill: ")
        if changes_something(operation) and comment not in READING_COMMANDS:
            service = self.meta.service_model.service_name
            found.append(PlannedCall(service, operation, self.meta.region_name, dict(parameters)))
        return call(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", record)
        yield found


def logged(rig: Rig) -> list[tuple[str, str]]:
    """The operations that the lab's log of calls has of this process, those of commands on the client host apart."""
    calls = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    ours = [(str(one["operation"]), str(one["region"])) for one in calls if one["by"] == "chaosdrill"]
    return [one for one in ours if changes_something(one[0]) and one[0] != "SendCommand"]


def matches(planned: PlannedCall, call: PlannedCall) -> bool:
    """:returns: whether a request is as it was planned; ``<…>`` stands for anything."""
    if (planned.service, planned.operation) != (call.service, call.operation):
        return False
    if not planned.note and planned.region != call.region:
        return False
    pattern = re.sub(r"<[^<>]*>", "\0", json.dumps(planned.parameters, sort_keys=True))
    whole = json.dumps(call.parameters, sort_keys=True)
    return re.fullmatch(".*".join(map(re.escape, pattern.split("\0"))), whole) is not None


def run(step: PlannedStep, rig: Rig, drill: OpenDrill) -> None:
    facts = {"activity": step.name, "phase": "method", "type": "action"}
    drill.history.append("activity-started", **facts, arguments=dict(step.arguments))
    module, _, name = step.function.rpartition(".")
    output = getattr(importlib.import_module(module), name)(**step.arguments, configuration=rig.configuration)
    drill.history.append("activity-ended", **facts, status="succeeded", output=output)
    assert output["done"], output


@pytest.mark.parametrize("name", first_of(DRILLS, 4))
def test_an_action_sends_what_was_planned(rig: Rig, one_drill: OpenDrill, name: str) -> None:
    if name == "rule":
        rig.lab.client("events").enable_rule(Name=RULE)
    steps = [step_of(*one) for one in DRILLS[name]]
    system, plan = system_of(rig.configuration), PlannedCalls()
    before = logged(rig)
    planned = [plan.of_step(system, step) for step in steps]
    assert logged(rig) == before, "planning changes nothing"
    for step, expected in zip(steps, planned, strict=True):
        with sent() as calls:
            run(step, rig, one_drill)
        assert expected, step.name
        assert len(calls) == len(expected), (calls, expected)
        for call, one in zip(calls, expected, strict=True):
            assert matches(one, call), (one, call)
    operations = [(one.operation, one.region) for calls in planned for one in calls]
    assert [one[0] for one in logged(rig)[len(before) :]] == [one[0] for one in operations]


def test_every_action_of_aws_is_among_them() -> None:
    tried = {action for steps in DRILLS.values() for action, _ in steps}
    assert set(undo_rules()) - tried == {"start_load", "change_load", "start_heartbeat"}


def test_what_exists_already_is_not_made_again(rig: Rig, one_drill: OpenDrill) -> None:
    plan, system = PlannedCalls(), system_of(rig.configuration)
    step = step_of("inject_packet_loss", {"sources": "10.9.9.9", "template": "twice"})
    first, second = ([one.operation for one in plan.of_step(system, step)] for _ in range(2))
    assert (first, second) == (["CreateExperimentTemplate", "StartExperiment"], ["StartExperiment"])


def test_the_addresses_of_a_region_are_not_resolved_before_the_step(rig: Rig, one_drill: OpenDrill) -> None:
    """That would be a command on the client host."""
    step = step_of("inject_packet_loss", {"template": "of-home"})
    with sent() as calls:
        create, _ = PlannedCalls().of_step(system_of(rig.configuration), step)
    assert calls == []
    assert '"Sources":"<addresses of home>"' in json.dumps(create.parameters).replace('\\"', '"')


def test_active_is_the_region_to_which_the_steps_before_lead(rig: Rig, one_drill: OpenDrill) -> None:
    plan, system = PlannedCalls(), system_of(rig.configuration)
    close = step_of("set_stop_flag", {"region": "active", "value": True})
    regions = [plan.of_step(system, step)[0].region for step in (close, step_of("fail_over", {}), close)]
    assert (regions[0], regions[2]) == ("ap-northeast-1", "ap-northeast-3")
