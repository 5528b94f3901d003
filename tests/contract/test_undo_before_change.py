"""No action changes anything before what it owes is published: where that fails, it sends nothing that writes."""

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

from chaosdrill.aws.guard import changes_something
from chaosdrill.controls.owed_changes import OwedChanges
from chaosdrill.errors import CannotSee
from chaosdrill.history import OpenDrill
from chaosdrill.history.owed_undos import OwedUndo, owed_undos
from chaosdrill.parts.registry import part_of_action, undo_rules
from tests.contract.activities_rig import Rig
from tests.contract.lab_aws import get
from tests.failing import fails_with

RULE = "start-failover-on-alarm"
ACTIONS: Mapping[str, Mapping[str, Any]] = {  # arguments with which each changes the lab at rest
    "set_stop_flag": {"region": "home", "value": True},
    "set_routing": {"region": "standby"},
    "switch_over_database": {"region": "standby"},
    "fail_over_database": {"region": "standby", "data_loss": "allowed"},
    "fail_over": {},
    "fail_back": {"region": "standby"},
    "enable_automatic_failover": {"rule": RULE},
    "disable_automatic_failover": {"rule": RULE},
    "set_desired_count": {"cluster": "tokyo-app", "service": "transaction", "count": 0},
    "inject_packet_loss": {"sources": "10.100.5.165"},
    "isolate_region": {},
    "pause_replication": {},
    "start_load": {},
    "start_heartbeat": {},
}


class CannotBeReached:
    """Publishes what the beginning of a step tells, and nothing of what its action records."""

    def __init__(self) -> None:
        self.owed: list[OwedUndo] = []

    def owe(self, undo: OwedUndo) -> None:
        if undo.before:
            raise CannotSee("the table cannot be reached")
        self.owed.append(undo)

    def pay(self, undo: OwedUndo) -> None:
        raise CannotSee("the table cannot be reached")


def writes(rig: Rig) -> list[str]:
    found = [call for call in get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"] if call["by"] == "chaosdrill"]
    return [str(call["operation"]) for call in found if changes_something(str(call["operation"]))]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_whose_undo_cannot_be_published_sends_nothing(rig: Rig, one_drill: OpenDrill, action: str) -> None:
    if action == "disable_automatic_failover":
        rig.lab.client("events").enable_rule(Name=RULE)
    part = part_of_action(action)
    assert part is not None
    module = f"chaosdrill.{part.name}.actions"
    step = {"activity": "it", "type": "action", "phase": "method", "module": module, "func": action}
    owed = OwedChanges().of_step(step, ACTIONS[action], None)
    one_drill.history.append("activity-started", **step, arguments=ACTIONS[action], **owed)
    publisher = CannotBeReached()
    one_drill.undos.publish_with(publisher)
    one_drill.undos.begin(owed["number"])
    before = writes(rig)
    with fails_with("undo-not-published"):
        getattr(importlib.import_module(module), action)(**ACTIONS[action], configuration=rig.configuration)
    assert writes(rig) == before
    assert [one.action for one in publisher.owed] == [action, action], "when the publisher came, and at the beginning"
    (exact,) = owed_undos(one_drill.history.events())
    assert exact.before, "it is on disk all the same"


def test_every_action_that_owes_an_undo_is_among_them() -> None:
    assert set(ACTIONS) == set(undo_rules()) - {"change_load"}  # which needs a load that runs
