"""A whole drill with the permissions of the printed policy, and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests import drills
from tests.iam_policy import not_allowed, wanted
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningLab]:
    one = RunningLab(tmp_path / "home")
    one.up(SCALE)
    yield one
    one.down()


@pytest.mark.long
def test_a_drill_passes_with_the_printed_policy_and_no_other_permission(lab: RunningLab, tmp_path: Path) -> None:
    home = lab.plan.home
    policy = lab.run("iam", str(drills.FAILOVER), "--topology", str(lab.plan.topology_file)).stdout
    (tmp_path / "policy.json").write_text(policy)
    lab.run("lab", "policy", str(tmp_path / "policy.json"))
    make: Any = boto3.client
    with pytest.raises(ClientError, match="AccessDeniedException"):
        make("dynamodb", home.name, endpoint_url=lab.plan.aws_url_on_host, **lab.keys).scan(TableName=home.flag_table)
    done = drills.run(lab, tmp_path, *drills.QUICK, drills.CLEAR)
    assert done.returncode == 0, done.stdout
    assert drills.summary(lab)["verdict"] == "passed"
    made = [call for call in lab.aws_calls() if call["by"] == "chaosdrill"]
    assert not_allowed(policy, wanted(made)) == []
    assert json.loads(lab.run("lab", "policy", "--json").stdout)["policies"] == [json.loads(policy)]
