"""A dry run of the whole failover: it says what would be called, in order, and changes nothing."""

import json
from pathlib import Path

import pytest
import yaml

from chaosdrill.aws.guard import changes_something
from tests import drills
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab
from tests.small_drills import run

CALLED = [  # of a lab at rest, by step: what changes AWS
    ("inject-packet-loss", ["CreateExperimentTemplate", "StartExperiment"]),
    ("fail-over", ["StartExecution"]),
    ("heal-packet-loss", ["StopExperiment"]),
    ("fail-back", ["StartExecution"]),
]
AWS = ("dynamodb", "ecs", "events", "fis", "rds", "route53-recovery-cluster", "stepfunctions")


@pytest.mark.long
def test_a_dry_run_says_what_would_be_called_and_writes_nothing(lab: RunningLab, tmp_path: Path) -> None:
    experiment = yaml.safe_load(drills.FAILOVER.read_text())
    experiment["configuration"]["scale"] = SCALE
    before = len(lab.aws_calls())
    ran = run(tmp_path, experiment, "--dry", "activities", CHAOSDRILL_HOME=str(lab.home))
    assert (ran.exit_code, ran.verdict) == (4, "invalid"), ran.stderr
    own = [str(one["operation"]) for one in lab.aws_calls()[before:] if one["by"] == "chaosdrill"]
    assert [one for one in own if changes_something(one) and one != "SendCommand"] == []
    shown = json.loads(lab.run("runs", "show", ran.run_directory.name, "--json").stdout)["planned_calls"]
    assert [one["why"] for one in shown if one["why"]] == []
    of_aws = [
        (step["activity"], [call["operation"] for call in step["calls"] if call["service"] in AWS]) for step in shown
    ]
    assert [one for one in of_aws if one[1]] == CALLED
    named = {call["operation"] for step in shown for call in step["calls"] if call["service"] == "locust"}
    assert "POST /swarm" in named
    called = ("stepfunctions", "StartExecution", "ap-northeast-3")
    assert any(all(name in line for name in called) for line in ran.stderr.splitlines())
