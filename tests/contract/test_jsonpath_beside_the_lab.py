"""jsonpath2 beside moto in one environment: both need ANTLR, and jsonpath2 takes one version only."""

import json
import subprocess
import sys
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement

from tests.contract.lab_aws import LabAws

pytestmark = pytest.mark.long

ANTLR = "antlr4-python3-runtime"


def required(package: str, extra: str = "") -> Requirement:
    """:returns: the version of ANTLR that a package requires."""
    (found,) = [
        one
        for one in map(Requirement, requires(package) or ())
        if one.name == ANTLR and (one.marker is None or one.marker.evaluate({"extra": extra}))
    ]
    return found


def test_the_lab_requires_the_one_antlr_that_jsonpath2_takes() -> None:
    """Else pip would install an old jsonpath2, which cannot be imported."""
    lab, theirs = required("chaosdrill", "lab"), required("jsonpath2")
    assert lab.specifier == theirs.specifier
    assert version(ANTLR) in theirs.specifier


def test_every_machine_of_the_lab_is_parsed_and_run_where_jsonpath2_is_imported(aws: LabAws) -> None:
    sfn = aws.client("stepfunctions")
    arns = [one["stateMachineArn"] for one in sfn.list_state_machines()["stateMachines"]]
    definitions = [sfn.describe_state_machine(stateMachineArn=arn)["definition"] for arn in arns]
    program = """
import json, sys
import jsonpath2.path
from chaosdrill.lab.aws.stepfunctions import grammar
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
grammar.install()
parsed = [AmazonStateLanguageParser.parse(definition)[0] for definition in json.load(sys.stdin)]
names = [len(one.states.states) for one in parsed]
path = jsonpath2.path.Path.parse_str("$.States.*.Type")
print(json.dumps(names))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(definitions), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [len(json.loads(one)["States"]) for one in definitions], (
        "and nothing else is said"
    )
    ends = {prefix: aws.run_machine(prefix)["status"] for prefix in ("FailoverStateMachine", "FailbackStateMachine")}
    assert ends == {"FailoverStateMachine": "SUCCEEDED", "FailbackStateMachine": "SUCCEEDED"}
    initiated = aws.run_machine("FailoverInitiatorStateMachine")
    assert (initiated["status"], initiated["error"]) == ("FAILED", "NotBothInAlarm"), "no alarm is on"
    assert len(arns) == 3
