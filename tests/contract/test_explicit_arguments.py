"""What a caller names wins over the topology: tables, state machines, regions by role; values that come as texts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chaosdrill.failover.actions import fail_back, fail_over
from chaosdrill.failover.probes import last_execution, running_executions
from chaosdrill.history import OpenDrill
from chaosdrill.region.probes import region_state
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.failing import fails_with

ANOTHER_TABLE = "Tokyo-AppTable-another"
# scaled by a sixtieth: longer than any test lasts
NAP = '{"StartAt": "Nap", "States": {"Nap": {"Type": "Wait", "Seconds": 7200, "End": true}}}'


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


class TestStopFlag:
    @pytest.fixture
    def table(self, rig: Rig) -> Iterator[str]:
        """A second table in Tokyo, whose flag is TRUE."""
        client, key = rig.lab.client("dynamodb", TOKYO), {"AttributeName": "PK"}
        client.create_table(
            TableName=ANOTHER_TABLE,
            KeySchema=[{**key, "KeyType": "HASH"}],
            AttributeDefinitions=[{**key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.put_item(TableName=ANOTHER_TABLE, Item={"PK": {"S": "stopFlag"}, "value": {"S": "true"}})
        yield ANOTHER_TABLE
        client.delete_table(TableName=ANOTHER_TABLE)

    def test_a_table_that_is_named_wins(self, rig: Rig, one_drill: OpenDrill, table: str) -> None:
        assert stop_flag("home", table=table, configuration=rig.configuration) is True
        done = set_stop_flag("home", False, expected=True, table=table, configuration=rig.configuration)
        assert (done["was"], done["is"]) == (True, False)
        undo = one_drill.history.events("undo")[0]["arguments"]
        assert undo == {"region": TOKYO, "value": True, "table": table}, "the undo names it, too"
        assert set_stop_flag(**undo, configuration=rig.configuration)["done"] is True
        assert stop_flag("home", configuration=rig.configuration) is False, "the topology's was left alone"

    @pytest.mark.parametrize(("text", "closed"), [("true", True), ("TRUE", True), ("false", False), ("False", False)])
    def test_a_value_may_be_a_text_as_variables_are(self, rig: Rig, text: Any, closed: bool) -> None:
        rig.flag(TOKYO, "false" if closed else "true")
        done = set_stop_flag("home", text, expected=str(not closed), configuration=rig.configuration)
        assert done["is"] is closed
        assert stop_flag("home", within_s=1, expected=text, configuration=rig.configuration) is closed

    def test_any_other_text_changes_nothing(self, rig: Rig) -> None:
        wrong: Any = "no"
        with fails_with("argument-invalid", "argument-invalid"):
            set_stop_flag("home", wrong, expected=wrong, configuration=rig.configuration)
        assert stop_flag("home", configuration=rig.configuration) is False


class TestStateMachine:
    @pytest.fixture
    def napping(self, rig: Rig) -> Iterator[str]:
        """A state machine in Tokyo, which is not the topology's region for them, with a running execution."""
        client = rig.lab.client("stepfunctions", TOKYO)
        role = f"arn:aws:iam::{rig.lab.plan.account}:role/x"
        arn = str(client.create_state_machine(name="Napping", definition=NAP, roleArn=role)["stateMachineArn"])
        execution = client.start_execution(stateMachineArn=arn)["executionArn"]
        rig.lab.become_consistent()
        yield arn
        client.stop_execution(executionArn=execution)
        client.delete_state_machine(stateMachineArn=arn)

    def test_an_arn_wins_over_the_prefix(self, rig: Rig) -> None:
        arn = rig.lab.machine("FailoverStateMachine")
        done = fail_over(state_machine_prefix="Nobody", state_machine=arn, configuration=rig.configuration)
        assert done["status"] == "SUCCEEDED"
        assert (
            last_execution("Nobody", state_machine=arn, configuration=rig.configuration)["arn"] == done["execution_arn"]
        )
        assert fail_back(configuration=rig.configuration)["status"] == "SUCCEEDED"

    def test_it_is_looked_for_in_the_region_that_its_arn_names(self, rig: Rig, napping: str) -> None:
        assert running_executions(napping, configuration=rig.configuration) == 1
        assert running_executions("Napping", region="home", configuration=rig.configuration) == 1
        assert running_executions(configuration=rig.configuration) == 0, "it is none of the pair"
        told = last_execution("Nap", region=TOKYO, configuration=rig.configuration)
        assert (told["status"], told["states"][0]["name"]) == ("RUNNING", "Nap")
        with fails_with("execution-running"):
            fail_over(state_machine=napping, configuration=rig.configuration)

    @pytest.mark.parametrize(
        ("arn", "code"),
        [
            ("arn:aws:lambda:ap-northeast-3:123456789012:function:x", "state-machine-invalid"),
            ("arn:aws:states:ap-northeast-3:123456789012:stateMachine:Nobody", "state-machine-missing"),
        ],
    )
    def test_one_that_is_not_there_starts_nothing(self, rig: Rig, one_drill: OpenDrill, arn: str, code: str) -> None:
        with fails_with(code):
            fail_over(state_machine=arn, configuration=rig.configuration)
        assert not one_drill.history.events("undo")


def test_a_region_state_may_be_waited_for_by_role(rig: Rig) -> None:
    def waited_for(expected: str) -> str:
        began = time.monotonic()
        seen = region_state(within_s=600, expected=expected, configuration=rig.configuration)
        assert time.monotonic() - began < 300, "it knew the state when it came, long before the end"
        return seen

    assert waited_for("serving(home)") == f"serving({TOKYO})"
    rig.flag(TOKYO, "true")
    rig.flag(OSAKA, "false")
    rig.route(tokyo="Off", osaka="On")
    rig.writer(OSAKA)
    assert waited_for("serving(standby)") == f"serving({OSAKA})"
