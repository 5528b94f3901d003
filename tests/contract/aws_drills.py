"""Small drills on the lab's endpoint alone, whose topology says that it is AWS: no lab is started."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws import System, system_of
from chaosdrill.controls.confirmation import confirm
from chaosdrill.coordination import coordination_of
from chaosdrill.parts.registry import lease_keys
from chaosdrill.paths import VARIABLE
from tests.contract.activities_rig import Rig
from tests.contract.lab_aws import get
from tests.small_drills import Ran, Step, experiment

Call = dict[str, Any]


def aws_topology(rig: Rig, path: Path) -> Path:
    """Write the endpoint's topology as one of AWS."""
    topology = {**rig.lab.topology, "target": "aws"}
    del topology["time_scale"]
    config = rig.lab.plan.topology_file.parent / topology["aws"]["config_file"]
    topology["aws"] = {**topology["aws"], "config_file": str(config)}
    path.write_text(json.dumps(topology))
    return path


def confirm_elsewhere(topology: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirm a rehearsal on another machine than that of the drills: its home is this process's from then on."""
    directory.mkdir()
    monkeypatch.setenv(VARIABLE, str(directory))
    system = system_at(topology)
    confirm(topology, "try-it.yaml", system.topology.accounts[0], coordination_of(system))


def system_at(topology: Path) -> System:
    return system_of({"topology": str(topology)})


def on_aws(topology: Path, method: list[Step], rollbacks: list[Step], **more: Any) -> dict[str, Any]:
    """An experiment on this topology."""
    configuration = {"target": "aws", "topology": str(topology), "change_ticket": "CHG-1"}
    return {**experiment(method, rollbacks, **more), "configuration": configuration}


def flag(name: str, value: bool, **more: Any) -> Step:
    """Open or close the standby: beside the home region nothing serves there."""
    arguments = {"region": "standby", "value": value, **more}
    provider = {"module": "chaosdrill.stop_flag.actions", "func": "set_stop_flag", "arguments": arguments}
    return {"type": "action", "name": name, "provider": {"type": "python", **provider}}


def codes(ran: Ran) -> list[str]:
    """The codes of a drill's refusals, by its history."""
    return [code for row in ran.events if row["event"] == "refused" for code in row["codes"]]


def statuses(ran: Ran) -> set[str]:
    """How the steps of a drill ended."""
    return {row["status"] for row in ran.events if row["event"] == "activity-ended"}


def last_call(rig: Rig) -> int:
    """The number of the last call in the endpoint's log."""
    return max((int(one["number"]) for one in get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]), default=0)


def calls_since(rig: Rig, number: int, app: str) -> list[Call]:
    """The calls of one application (``AWS_SDK_UA_APP_ID``) after that one."""
    calls: list[Call] = get(f"{rig.lab.url}/chaosdrill/calls?since={number}")[1]["calls"]
    return [one for one in calls if one["app"] == app]


def free(system: System) -> None:
    """Leave nothing owed and nothing held."""
    coordination = coordination_of(system)
    state = coordination.read(lease_keys(system.topology))
    for one in state.owed:
        coordination.pay(one.run, one.number, "a test")
    for lease in state.holding():
        coordination.release(lease)
