import ctypes
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosdrill.aws import fis, stepfunctions
from chaosdrill.aws.aurora import parsed
from chaosdrill.aws.polling import interval_s, pause, poll_times, poll_until
from chaosdrill.aws.stepfunctions import Execution, StateTime, chosen, execution_arn, failure, times_of
from chaosdrill.errors import CannotSee
from chaosdrill.failover.executions import execution_name, refuse_while_running
from chaosdrill.history import History, OpenDrill, opened
from tests.failing import fails_with

BEGIN = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)


def event(after_s: float, kind: str, name: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {"timestamp": BEGIN + timedelta(seconds=after_s), "type": kind}
    if name:
        row[f"state{'Entered' if kind.endswith('Entered') else 'Exited'}EventDetails"] = {"name": name}
    return row


def at(seconds: str) -> str:
    return f"2026-05-01T09:30:{seconds}Z"


def test_listing_executions_does_not_use_up_what_aws_allows() -> None:
    """Of both machines, what runs and what was started last, for as long as a drill takes."""
    from chaosdrill.lab.aws.stepfunctions.quotas import QUOTAS  # imports moto

    (_, large), (_, small) = QUOTAS["ListExecutions"]
    listed_per_s = 2 * 2 / stepfunctions.LISTS_EVERY_S
    assert listed_per_s < min(large, small)


def test_each_state_s_time_is_summed_over_its_visits() -> None:
    history = [
        event(0, "ExecutionStarted"),
        event(0, "PassStateEntered", "ParseInput"),
        event(0.001, "PassStateExited", "ParseInput"),
        event(0.001, "WaitStateEntered", "Wait Polling"),
        event(10.001, "WaitStateExited", "Wait Polling"),
        event(10.001, "TaskStateEntered", "DescribeGlobalCluster"),
        event(10.5, "TaskStateExited", "DescribeGlobalCluster"),
        event(10.5, "WaitStateEntered", "Wait Polling"),
        event(20.5, "WaitStateExited", "Wait Polling"),
        event(20.5, "ExecutionSucceeded"),
    ]
    assert times_of(history) == [
        StateTime("ParseInput", 0.001, 1, True, at("00.000"), at("00.001")),
        StateTime("Wait Polling", 20.0, 2, True, at("00.001"), at("20.500")),
        StateTime("DescribeGlobalCluster", 0.499, 1, True, at("10.001"), at("10.500")),
    ]


def test_a_failure_names_the_state_that_was_not_left() -> None:
    history = [
        event(0, "TaskStateEntered", "StopSource"),
        event(0.2, "TaskStateExited", "StopSource"),
        event(0.2, "TaskStateEntered", "SwitchOver"),
        event(3.2, "TaskFailed"),
        event(3.3, "ExecutionFailed"),
    ]
    times = times_of(history)
    assert times[-1] == StateTime("SwitchOver", 3.1, 1, False, at("00.200"))
    arn = "arn:aws:states:ap-northeast-3:123456789012:execution:FailoverStateMachine:drill-1"
    error = str(failure(Execution(arn, "FAILED", 3.3, "Lambda.Unknown: gone"), times))
    assert error.startswith("execution drill-1 ended FAILED in state SwitchOver after 3.3 s: Lambda.Unknown: gone: ")


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            'Fault: {"errorType":"Fault","errorMessage":"the writer is away","trace":["Traceback (most)"]}',
            "the writer is away",
        ),
        ("Fault: plain words", "Fault: plain words"),
        ("Fault: {broken", "Fault: {broken"),
        ('{"other": 1}', '{"other": 1}'),
    ],
)
def test_a_lambda_s_failure_is_told_without_its_traceback(cause: str, said: str) -> None:
    arn = "arn:aws:states:ap-northeast-3:123456789012:execution:FailoverStateMachine-x:one"
    error = str(failure(Execution(arn, "FAILED", 3.3, cause), []))
    assert said in error
    assert "Traceback" not in error


def test_no_events_no_states() -> None:
    assert times_of([]) == []


def test_a_machine_is_found_by_the_beginning_of_its_name() -> None:
    machines = {"FailoverStateMachine1A2B": "a", "FailoverInitiatorStateMachine3C": "b", "FailbackStateMachine4D": "c"}
    assert chosen(machines, "FailoverStateMachine", "ap-northeast-3") == "a"
    with fails_with("state-machine-ambiguous"):
        chosen(machines, "Failover", "ap-northeast-3")
    with fails_with("state-machine-missing") as missing:
        chosen(machines, "Fallover", "ap-northeast-3")
    assert all(name in str(missing.value) for name in machines), "those that there are"


def test_an_execution_s_arn_is_known_before_it_is_started() -> None:
    machine = "arn:aws:states:ap-northeast-3:123456789012:stateMachine:FailoverStateMachine1A"
    assert (
        execution_arn(machine, "n") == "arn:aws:states:ap-northeast-3:123456789012:execution:FailoverStateMachine1A:n"
    )


def test_an_execution_is_named_after_the_run(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    with opened(OpenDrill("2026-05-01T09:30:00Z_failover/" + "x" * 100, tmp_path, history)):
        name = execution_name("fail-over", 2)
    history.close()
    assert name.startswith("chaosdrill-")
    assert name.endswith("x-fail-over-2")
    assert len(name) == 80
    assert execution_name("fail-back", 1) != execution_name("fail-back", 1), "outside a run, the time tells them apart"


def member(arn: str, writes: bool) -> dict[str, Any]:
    return {"DBClusterArn": arn, "IsWriter": writes}


def test_the_writer_is_the_region_of_the_cluster_that_writes() -> None:
    clusters = {"ap-northeast-1": "tokyo", "ap-northeast-3": "osaka"}

    def seen(status: str, *members: dict[str, Any], **more: Any) -> tuple[str, str]:
        cluster = parsed({"Status": status, "GlobalClusterMembers": list(members), **more}, clusters)
        return cluster.status, cluster.writer

    tokyo, osaka = member("tokyo", True), member("osaka", False)
    assert seen("available", tokyo, osaka) == ("available", "ap-northeast-1")
    assert seen("available", member("tokyo", False), osaka) == ("available", "none")
    assert seen("available", tokyo, member("osaka", True)) == ("available", "several")
    moving = {"FailoverState": {"Status": "switching-over"}}
    assert seen("available", tokyo, osaka, **moving) == ("switching-over", "ap-northeast-1")
    with fails_with("writer-unknown"):
        seen("available", member("elsewhere", True))


def test_polling_looks_at_once_and_a_last_time() -> None:
    assert len(list(poll_times(0))) == 1
    spent = list(poll_times(0.25, every_s=0.1))
    assert spent[-2] < 0.25 <= spent[-1]
    assert 2 <= len(spent) <= 4, "a busy machine makes fewer looks, never more"


def test_polling_is_frugal_when_it_lasts() -> None:
    assert [interval_s(spent) for spent in (0, 30, 90, 3000)] == [1, 1, 3, 5]


def test_a_blind_look_is_forgiven_unless_it_is_the_last() -> None:
    answers = iter([CannotSee("dark"), "Tokyo", "Osaka"])

    def look() -> str:
        answer = next(answers)
        if isinstance(answer, CannotSee):
            raise answer
        return answer

    assert poll_until(look, lambda seen: seen == "Osaka", 5) == "Osaka"

    def blind() -> str:
        raise CannotSee("dark", code="aws-request-failed")

    with fails_with("aws-request-failed"):
        poll_until(blind, bool, 0)


class Interruption(BaseException):
    """As chaoslib raises SystemExit in the thread of a background activity."""


def test_a_pause_ends_soon_when_its_thread_is_interrupted() -> None:
    ended: list[float] = []
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        try:
            pause(600)
        except Interruption:
            ended.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    begun.wait()
    interrupted = time.monotonic()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interruption))
    thread.join()
    assert ended
    assert ended[0] - interrupted < 300


def test_an_experiment_is_in_force_only_when_its_actions_run() -> None:
    def seen(experiment: str, action: str) -> bool:
        one = {"state": {"status": action}, "parameters": {"documentArn": "arn:aws:ssm:r::document/AWSFIS-Run-X"}}
        return fis.parsed({"id": "E", "state": {"status": experiment}, "actions": {"a": one}}).in_force

    assert seen("running", "running")
    assert not seen("running", "initiating")
    assert not seen("stopping", "running")


def test_the_hosts_of_a_fault_are_those_of_its_documents() -> None:
    targets = {"T": {"resourceArns": ["host-1", "host-2"]}, "Other": {"resourceArns": ["host-3"]}}

    def action(document: str, target: str) -> dict[str, Any]:
        parameters = {"documentArn": f"arn:aws:ssm:r::document/{document}"}
        return {"state": {"status": "running"}, "parameters": parameters, "targets": {"Instances": target}}

    actions = {"a": action("AWSFIS-Run-CPU-Stress", "T"), "b": action("AWS-RunShellScript", "Other")}
    raw = {"id": "E", "state": {"status": "running"}, "actions": actions, "targets": targets}
    assert fis.parsed(raw).faults_on == ("host-1", "host-2")


PAIR = tuple(f"arn:aws:states:ap-northeast-3:123456789012:stateMachine:{name}" for name in ("Failover", "Failback"))


def shown(monkeypatch: pytest.MonkeyPatch, lists: list[list[str]], statuses: dict[str, str]) -> Any:
    """A system whose lists of running executions are these, the last one for good, and whose statuses are these."""
    system = SimpleNamespace(topology=SimpleNamespace(time_scale=0.01))
    monkeypatch.setattr(stepfunctions, "pair", lambda _: PAIR)
    monkeypatch.setattr(stepfunctions, "running", lambda *_: lists.pop(0) if len(lists) > 1 else lists[0])
    monkeypatch.setattr(stepfunctions, "described", lambda _, arn: Execution(arn, statuses.get(arn, "RUNNING"), None))
    return system


@pytest.mark.parametrize(
    ("lists", "statuses"),
    [
        ([[]], {}),
        ([["stale"]], {"stale": "SUCCEEDED"}),
        ([["stale"], ["stale"], []], {}),
    ],
    ids=["none", "one that has ended and is listed", "one that is shown as running by both for a moment"],
)
def test_none_that_runs_is_no_reason_to_refuse(
    monkeypatch: pytest.MonkeyPatch, lists: list[list[str]], statuses: dict[str, str]
) -> None:
    refuse_while_running(shown(monkeypatch, lists, statuses), PAIR[0])


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_one_that_goes_on_is(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    system = shown(monkeypatch, [["runs"]], {"runs": status})
    with fails_with("execution-running"):
        refuse_while_running(system, PAIR[0])
