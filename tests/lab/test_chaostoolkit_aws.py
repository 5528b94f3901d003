"""chaostoolkit-aws's own activities beside ours, in one experiment on the lab."""

from typing import Any

import pytest

from chaosdrill.aws import system_of
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab
from tests.small_drills import HOME_SERVES, Step, experiment, run

OSAKA = "ap-northeast-3"


def theirs(kind: str, name: str, func: str, tolerance: Any = None, **arguments: Any) -> Step:
    module, _, function = func.rpartition(".")
    provider = {"type": "python", "module": f"chaosaws.{module}", "func": function, "arguments": arguments}
    made = {"type": kind, "name": name, "provider": provider}
    return made if tolerance is None else {**made, "tolerance": tolerance}


def region_state() -> Step:
    provider = {"type": "python", "module": "chaosdrill.region.probes", "func": "region_state"}
    return {"type": "probe", "name": "ours", "tolerance": HOME_SERVES, "provider": provider}


def client(lab: RunningLab, service: str) -> Any:
    return system_of({"topology": str(lab.home / "lab" / "topology.yaml")}).client(service, OSAKA)


@pytest.fixture
def fis_experiment(lab: RunningLab) -> str:
    fis = client(lab, "fis")
    action = {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1S"}}
    template = fis.create_experiment_template(
        clientToken="beside",
        description="waits",
        stopConditions=[{"source": "none"}],
        actions={"wait": action},
        roleArn="arn:aws:iam::123456789012:role/fis-experiments",
    )["experimentTemplate"]
    return str(fis.start_experiment(experimentTemplateId=template["id"])["experiment"]["id"])


@pytest.mark.long
def test_fis_cloudwatch_and_ecs_lead_to_the_lab_whatever_the_environment_says(lab, fis_experiment, tmp_path):
    service = {"cluster": "osaka-app", "service": "count"}
    method = [
        theirs("probe", "fis", "fis.probes.get_experiment", experiment_id=fis_experiment),
        theirs("probe", "alarm", "cloudwatch.probes.get_alarm_state_value", "OK", alarm_name=f"canaryAlerm-{OSAKA}"),
        theirs("action", "scale", "ecs.actions.update_desired_count", desired_count=1, **service),
        theirs("probe", "service", "ecs.probes.describe_service", **service),
        region_state(),
    ]
    back = theirs("action", "scale-back", "ecs.actions.update_desired_count", desired_count=2, **service)
    what = experiment(method, [back])
    what["configuration"] = {"target": "lab", "scale": SCALE, "aws_region": OSAKA}
    misleading = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIA"}
    ran = run(tmp_path, what, CHAOSDRILL_HOME=str(lab.home), **misleading)
    assert ran.verdict == "passed", ran.stdout + ran.stderr
    answers = {row["activity"]: row["output"] for row in ran.events if row["event"] == "activity-ended"}
    assert answers["fis"]["experiment"]["id"] == fis_experiment
    assert answers["service"]["services"][0]["desiredCount"] == 1
    described = client(lab, "ecs").describe_services(cluster="osaka-app", services=["count"])["services"]
    assert [one["desiredCount"] for one in described] == [2]
