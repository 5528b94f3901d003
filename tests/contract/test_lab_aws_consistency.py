"""What the lab's Step Functions shows late, and what it throttles."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from chaosdrill.lab.aws import asl
from chaosdrill.lab.plan import EXECUTION_LAG_REFERENCE_S
from tests.contract import lab_aws
from tests.contract.lab_aws import LabAws
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

T = TypeVar("T")
SCALE = 0.4
SHORTEST_S = EXECUTION_LAG_REFERENCE_S[0] * SCALE
ROLE = "arn:aws:iam::123456789012:role/test"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAws]:
    """The lab as it is by default, at a scale at which its lag is seen."""
    with lab_aws.running(tmp_path_factory.mktemp("strict"), SCALE, throttled=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAws]:
    """A lab that shows changes at once."""
    with lab_aws.running(tmp_path_factory.mktemp("lenient"), SCALE, lenient=("step-functions-lag",)) as lab:
        yield lab


def napping(lab: LabAws) -> tuple[Any, str, str]:
    """A client, a state machine, and an execution of it that was started just now."""
    sfn = lab.client("stepfunctions")
    definition = asl.machine({"Nap": asl.wait(3000)}, "naps", 6000)
    name = f"nap-{time.monotonic_ns()}"
    machine = sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
    return sfn, machine, sfn.start_execution(stateMachineArn=machine, name="nap", input="{}")["executionArn"]


def described(sfn: Any, arn: str) -> str:
    try:
        return str(sfn.describe_execution(executionArn=arn)["status"])
    except sfn.exceptions.ExecutionDoesNotExist:
        return "missing"


def listed(sfn: Any, machine: str) -> str:
    found = sfn.list_executions(stateMachineArn=machine)["executions"]
    return str(found[0]["status"]) if found else "missing"


def stopped(sfn: Any, machine: str, arn: str) -> float:
    """Stop an execution that is shown as running.

    :returns: when the stop began, on the monotonic clock.
    """
    for status in (lambda: described(sfn, arn), lambda: listed(sfn, machine)):
        wait_for(status, lambda status: status == "RUNNING")
    began_s = time.monotonic()
    sfn.stop_execution(executionArn=arn, error="Test")
    return began_s


def soon(try_once: Callable[[], tuple[float, T]]) -> T:
    """What is read before a change can be shown. A machine may be too busy for that: then it is tried again.

    :param try_once: :returns: when the change began, and what was read after it.
    """
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        began_s, read = try_once()
        if time.monotonic() - began_s < SHORTEST_S:
            return read
    raise AssertionError(f"nothing was read within {SHORTEST_S} s of a change")


def test_a_start_is_shown_some_time_later(strict: LabAws) -> None:
    def start() -> tuple[float, tuple[str, ...]]:
        began_s = time.monotonic()
        sfn, machine, arn = napping(strict)
        again = sfn.start_execution(stateMachineArn=machine, name="nap", input="{}")["executionArn"]
        first = sfn.get_execution_history(executionArn=arn)["events"][0]["type"]
        return began_s, (described(sfn, arn), listed(sfn, machine), first, "the same" if again == arn else again)

    assert soon(start) == ("missing", "missing", "ExecutionStarted", "the same"), "only the history is complete at once"
    began_s = time.monotonic()
    sfn, machine, arn = napping(strict)
    stopped(sfn, machine, arn)
    assert time.monotonic() - began_s >= SHORTEST_S


def test_an_end_is_shown_some_time_later(strict: LabAws) -> None:
    def stop() -> tuple[float, tuple[Any, ...]]:
        sfn, machine, arn = napping(strict)
        began_s = stopped(sfn, machine, arn)
        running, aborted = (
            [one["status"] for one in sfn.list_executions(stateMachineArn=machine, statusFilter=status)["executions"]]
            for status in ("RUNNING", "ABORTED")
        )
        shown = sfn.describe_execution(executionArn=arn)
        return began_s, (shown["status"], {"stopDate", "error"} & shown.keys(), running, aborted)

    assert soon(stop) == ("RUNNING", set(), ["RUNNING"], [])
    sfn, machine, arn = napping(strict)
    began_s = stopped(sfn, machine, arn)
    for read in (lambda: described(sfn, arn), lambda: listed(sfn, machine)):
        wait_for(read, lambda status: status == "ABORTED")
    assert time.monotonic() - began_s >= SHORTEST_S
    assert sfn.describe_execution(executionArn=arn)["error"] == "Test"


def test_a_lenient_lab_shows_changes_at_once(lenient: LabAws) -> None:
    sfn, machine, arn = napping(lenient)
    assert (described(sfn, arn), listed(sfn, machine)) == ("RUNNING", "RUNNING")
    sfn.stop_execution(executionArn=arn)
    assert (described(sfn, arn), listed(sfn, machine)) == ("ABORTED", "ABORTED")


def test_pending_redrive_is_a_status_of_a_map_run_s_children_only(strict: LabAws) -> None:
    sfn = strict.client("stepfunctions")
    machine = strict.machine("FailoverStateMachine")
    with pytest.raises(sfn.exceptions.ValidationException):
        sfn.list_executions(stateMachineArn=machine, statusFilter="PENDING_REDRIVE")


def test_lists_come_in_pages(lenient: LabAws) -> None:
    sfn, machine, first = napping(lenient)
    others = [sfn.start_execution(stateMachineArn=machine, name=name)["executionArn"] for name in "AB"]
    pages = list(
        sfn.get_paginator("list_executions").paginate(stateMachineArn=machine, PaginationConfig={"PageSize": 2})
    )
    assert [len(page["executions"]) for page in pages] == [2, 1]
    arns = [one["executionArn"] for page in pages for one in page["executions"]]
    assert arns == [*reversed(others), first], "the latest first"
    for arn in arns:
        sfn.stop_execution(executionArn=arn)


def test_more_lists_than_the_bucket_holds_are_throttled(strict: LabAws) -> None:
    sfn = strict.client("stepfunctions", "eu-north-1")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = sfn.create_state_machine(name="listed", definition=definition, roleArn=ROLE)["stateMachineArn"]
    began_s, allowed = time.monotonic(), 0
    while not (error := refusal(sfn, machine)):
        allowed += 1
    refilled = 2 * (time.monotonic() - began_s)
    assert error == "ThrottlingException"
    assert 100 <= allowed <= 100 + refilled + 1
    assert sfn.describe_state_machine(stateMachineArn=machine)["name"] == "listed", "another operation has its own"
    wait_for(lambda: not refusal(sfn, machine), what="the bucket to refill")


def refusal(sfn: Any, machine: str) -> str:
    """The code of the error with which a list is refused; empty when it is not."""
    try:
        sfn.list_executions(stateMachineArn=machine)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""
