"""What others recorded of a drill, kept in its run: against the lab's AWS endpoint, and where it does not answer."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chaosdrill import history
from chaosdrill.analysis.judgement import judge
from chaosdrill.controls.context import DrillContext
from chaosdrill.controls.evidence import collect_evidence, redacted, wanted
from chaosdrill.controls.target import DrillTarget
from chaosdrill.failover.actions import fail_over
from chaosdrill.failover.probes import running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.packet_loss.actions import inject_packet_loss
from chaosdrill.runs import read_run
from tests.contract.activities_rig import Rig
from tests.waiting import wait_for

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    wait_for(lambda: running_executions(configuration=rig.configuration) == 0)
    rig.go_home()


def context(rig: Rig, drill: OpenDrill) -> DrillContext:
    """The facts of an open drill whose target is the endpoint of the tests."""
    found = DrillContext({}, dict(rig.configuration), None)
    found.record._history, found.directory = drill.history, drill.directory
    found.target = cast(DrillTarget, SimpleNamespace(kind="lab"))
    return found


def collected(rig: Rig, drill: OpenDrill) -> list[dict[str, Any]]:
    collect_evidence(context(rig, drill))
    return drill.history.events("evidence-collected")


def kept(drill: OpenDrill, event: dict[str, Any]) -> dict[str, Any]:
    data = (drill.directory / event["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == event["sha256"]
    found: dict[str, Any] = json.loads(data)
    assert (found["chaosdrill"], found["kind"], found["of"]) == ("evidence", event["kind"], event["of"])
    return found


def test_executions_experiments_and_request_ids_are_kept_as_aws_tells_them(rig: Rig, one_drill: OpenDrill) -> None:
    injected = inject_packet_loss(sources="10.100.5.165,10.100.9.84", configuration=rig.configuration)
    done = fail_over(configuration=rig.configuration)
    execution, experiment, calls = collected(rig, one_drill)
    found = kept(one_drill, execution)
    assert found["DescribeExecution"]["executionArn"] == done["execution_arn"]
    assert found["DescribeExecution"]["status"] == "SUCCEEDED"
    client = rig.lab.client("stepfunctions")
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=done["execution_arn"], PaginationConfig={"PageSize": 5}
    )
    there = [event["id"] for page in pages for event in page["events"]]
    assert [event["id"] for event in found["GetExecutionHistory"]["events"]] == there
    assert all(found["request_ids"])

    found = kept(one_drill, experiment)
    assert found["GetExperiment"]["experiment"]["id"] == injected["experiment_id"]
    assert found["GetExperimentTemplate"]["experimentTemplate"]["id"] == injected["template_id"]

    made = {row["request_id"] for row in one_drill.history.events("aws-call")}
    assert {call["request_id"] for call in kept(one_drill, calls)["calls"]} == made
    assert len(made) > 2


def test_what_cannot_be_had_is_told_with_the_reason_and_changes_no_verdict(rig: Rig, one_drill: OpenDrill) -> None:
    arn = rig.lab.machine("FailoverStateMachine").replace(":stateMachine:", ":execution:") + ":never-started"
    one_drill.history.append("execution-starting", what="fail-over", execution_arn=arn)
    one_drill.history.append("fault-started", experiment="EXPnone", region="ap-northeast-1")
    execution, experiment = collected(rig, one_drill)
    assert (execution["sha256"], experiment["sha256"]) == (None, None)
    assert "ExecutionDoesNotExist" in execution["why"]
    assert "ResourceNotFoundException" in experiment["why"]
    findings = judge(read_run(one_drill.directory, still_open=True)).findings
    mine = [one for one in findings if "could not be collected" in one.text]
    assert [(one.name, one.verdict) for one in mine] == [("records-missing", "told")] * 2


def test_a_target_that_is_gone_is_not_asked(rig: Rig, one_drill: OpenDrill) -> None:
    one_drill.history.append("execution-starting", what="fail-over", execution_arn="arn:aws:states:x:1:execution:m:n")
    one_drill.history.append(history.TARGET_LOST, why="an earthquake")
    (event,) = collected(rig, one_drill)
    assert (event["sha256"], "earthquake" in event["why"]) == (None, True)
    assert not (one_drill.directory / "evidence").exists()


def test_a_topology_that_cannot_be_read_any_more_is_told_too(rig: Rig, one_drill: OpenDrill, tmp_path: Path) -> None:
    one_drill.history.append("execution-starting", what="fail-over", execution_arn="arn:aws:states:x:1:execution:m:n")
    broken = context(rig, one_drill)
    broken.configuration = {"topology": str(tmp_path / "none.yaml")}
    collect_evidence(broken)
    (event,) = one_drill.history.events("evidence-collected")
    assert (event["sha256"], "none.yaml" in event["why"]) == (None, True)


def test_each_execution_is_asked_for_once_however_often_the_history_names_it() -> None:
    named = [{"event": name, "execution_arn": "arn"} for name in ("undo", "execution-starting", "execution-ended")]
    assert [one.of for one in wanted(named)] == ["arn"]


def test_secrets_are_left_out_also_inside_of_texts_that_are_json() -> None:
    given = {
        "output": '{"Password": "hunter2", "list": [{"apiToken": "t0k3n"}], "fine": 1}',
        "cause": "{not json hunter2",
        "plain": '{"a":  1}',
        "tags": {"secret": "hunter2"},
    }
    found = redacted(given, frozenset({"hunter2"}))
    assert json.loads(found["output"]) == {"Password": "***", "list": [{"apiToken": "***"}], "fine": 1}
    assert found["cause"] == "{not json ***"
    assert found["plain"] == given["plain"], "as others wrote it"
    assert found["tags"] == {"secret": "***"}
