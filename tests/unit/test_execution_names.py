"""Whose execution one is, by its name."""

from pathlib import Path

import pytest

from chaosdrill.aws.stepfunctions import LONGEST_NAME
from chaosdrill.failover.executions import execution_name
from chaosdrill.failover.part import is_of_run
from tests.contract.activities_rig import drill

MACHINE = "arn:aws:states:ap-northeast-1:123456789012:execution:FailoverStateMachine"


@pytest.mark.parametrize("run", ["20261130T010203Z-abcd", "a run.with:signs", "long-" + "x" * LONGEST_NAME + "-end"])
@pytest.mark.parametrize(("what", "number"), [("fail-over", 1), ("fail-back", 12)])
def test_an_execution_is_of_the_run_that_named_it(tmp_path: Path, run: str, what: str, number: int) -> None:
    with drill(tmp_path, run):
        name = execution_name(what, number)
    assert len(name) <= LONGEST_NAME
    assert is_of_run(f"{MACHINE}:{name}", run)
    assert not is_of_run(f"{MACHINE}:{name}", f"{run}-2")
    assert not is_of_run(f"{MACHINE}:{name}", run[1:] if len(run) < LONGEST_NAME else run[:-1])


@pytest.mark.parametrize("name", ["started-by-hand", "chaosdrill-fail-over-1", "chaosdrill-abcd"])
def test_another_name_is_of_no_run(name: str) -> None:
    assert not is_of_run(name, "abcd")
