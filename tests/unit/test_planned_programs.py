"""What a dry run says of the programs of the clients, by where they run."""

from pathlib import Path

import pytest

from chaosdrill.aws import system_of
from chaosdrill.controls.planned_calls import PlannedCalls
from chaosdrill.parts.interface import PlannedCall, PlannedStep
from tests.contract.load_rig import TOPOLOGY

LOCUST = ["POST /stats/reset", "POST /chaosdrill/user-classes", "POST /swarm"]


def planned(path: Path, how: str, action: str, **arguments: object) -> list[PlannedCall]:
    topology = path / "topology.yaml"
    topology.write_text(TOPOLOGY.format(how=how))
    part = "heartbeat" if action.endswith("heartbeat") else "load"
    step = PlannedStep("method", action, f"chaosdrill.{part}.actions.{action}", arguments)
    return list(PlannedCalls().of_step(system_of({"topology": str(topology)}), step))


@pytest.mark.parametrize(
    ("how", "service"), [("run: ssm", "ssm"), ("run: local", "process"), ('url: "http://127.0.0.1:1"', "")]
)
def test_a_program_is_started_where_the_topology_says(tmp_path: Path, how: str, service: str) -> None:
    started = planned(tmp_path, how, "start_load", users="7", spawn_rate_per_s=1.5, run_time_s=90)
    services = [service] if service else []
    assert [one.service for one in started] == [*services, *["locust"] * 3]
    assert [one.operation for one in started if one.service == "locust"] == LOCUST
    form = started[-1].parameters
    assert (form["user_count"], form["spawn_rate"], form["run_time"]) == (7, 1.5, "90s")
    stopped = planned(tmp_path, how, "stop_load")
    assert [one.service for one in stopped] == ["locust", *services]
    for action in ("start_heartbeat", "stop_heartbeat"):
        assert [one.service for one in planned(tmp_path, how, action)] == [service or "process"]


def test_the_client_host_that_a_step_names_wins(tmp_path: Path) -> None:
    command = planned(tmp_path, "run: ssm", "start_heartbeat", instance_id="i-1", region="standby")[0]
    assert (command.operation, command.region) == ("SendCommand", "ap-northeast-3")
    assert command.parameters["InstanceIds"] == ["i-1"]
