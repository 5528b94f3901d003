"""What is known of executions beyond what Step Functions shows by now."""

import pytest

from chaosdrill.aws import execution_memory
from chaosdrill.aws.execution_memory import has_ended, note_ended, note_running, recent, still_running
from chaosdrill.aws.stepfunctions import Execution

MACHINE = "arn:aws:states:ap-northeast-3:123456789012:stateMachine:FailoverStateMachine-1A2B"
ONE, TWO, OTHER = (MACHINE.replace("stateMachine", "execution", 1) + f":{name}" for name in ("one", "two", "other"))
ELSEWHERE = ONE.replace("-1A2B:", "-1A2B-OLD:")


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_memory, "_started_s", {})
    monkeypatch.setattr(execution_memory, "_ended", set())


def test_one_that_was_just_started_runs_though_it_is_not_listed() -> None:
    note_running(ONE)
    note_running(ELSEWHERE)
    assert still_running([], MACHINE, 10.0) == [ONE], "the other machine's name begins alike"
    assert still_running([(ONE, 0)], MACHINE, 10.0) == [ONE], "once"
    assert still_running([], MACHINE, 0.0) == [], "by now it would be listed"


def test_one_that_has_ended_does_not_run_though_it_is_listed() -> None:
    note_running(ONE)
    note_ended(ONE)
    assert still_running([(ONE, 0), (OTHER, 0)], MACHINE, 10.0) == [OTHER]


def test_one_that_was_redriven_runs_again() -> None:
    note_ended(ONE)
    assert still_running([(ONE, 1)], MACHINE, 10.0) == [ONE]
    assert (has_ended(ONE), has_ended(ONE, 1)) == (True, False)


def test_the_latest_comes_first() -> None:
    for arn in (ONE, TWO):
        note_running(arn)
    assert recent(MACHINE, 10.0) == [TWO, ONE]


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        *((status, True) for status in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")),
        *((status, False) for status in ("RUNNING", "PENDING_REDRIVE", "A_STATUS_OF_TOMORROW")),
    ],
)
def test_only_what_does_nothing_more_by_itself_has_ended(status: str, ended: bool) -> None:
    assert Execution(ONE, status, None).has_ended is ended
