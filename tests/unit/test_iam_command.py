"""``chaosdrill iam``: what the topology names, as the policy writes it."""

import json
from pathlib import Path

from chaosdrill.cli.iam import configuration_of, filled, policy_of
from chaosdrill.topology import load_topology
from tests.unit.test_topology import RIGHT, written

MACHINES = "arn:aws:states:ap-northeast-3:123456789012"


def resources(path: Path, sid: str, **more: str) -> list[str]:
    """Of the statement ``sid`` in the policy of ``auto-failover`` for a topology."""
    configuration = {**configuration_of("auto-failover"), **more}
    policy = json.loads(filled(policy_of("auto-failover"), load_topology(path), configuration))
    (found,) = (one["Resource"] for one in policy["Statement"] if one["Sid"] == sid)
    return found if isinstance(found, list) else [found]


def test_a_machine_that_is_given_by_its_arn_stands_in_the_policy_by_its_name(tmp_path: Path) -> None:
    by_arn = RIGHT.replace(
        "failover_prefix: FailoverStateMachine", f'failover_prefix: "{MACHINES}:stateMachine:FailoverStateMachine-4711"'
    )
    path = written(tmp_path, by_arn)
    assert resources(path, "FailoverStateMachines") == [
        f"{MACHINES}:stateMachine:FailoverStateMachine-4711*",
        f"{MACHINES}:stateMachine:FailbackStateMachine*",
    ]
    assert resources(path, "FailoverExecutions") == [
        f"{MACHINES}:execution:FailoverStateMachine-4711*",
        f"{MACHINES}:execution:FailbackStateMachine*",
    ]


def test_so_does_a_cluster_that_the_experiment_gives_by_its_arn(tmp_path: Path) -> None:
    arn = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/tokyo-app"
    named = resources(written(tmp_path, RIGHT), "ServiceThatIsTakenAway", ecs_cluster=arn)
    assert named == ["arn:aws:ecs:ap-northeast-1:123456789012:service/tokyo-app/transaction"]
