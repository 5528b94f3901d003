"""A small builder for Amazon States Language: states in the order in which they run, as plain dictionaries.

:source: https://states-language.net/spec.html
"""

import json
from collections.abc import Mapping
from typing import Any

State = dict[str, Any]
NOTHING: None = None  # a ResultPath: the state's output is its input
# CDK adds this retry to each task that invokes a function
_LAMBDA_FAILURES = ("ClientExecutionTimeoutException", "ServiceException", "AWSLambdaException", "SdkClientException")
LAMBDA_RETRY = {"ErrorEquals": [f"Lambda.{name}" for name in _LAMBDA_FAILURES], "IntervalSeconds": 2}


def machine(states: Mapping[str, State], comment: str, timeout_s: int) -> str:
    """Return the definition of a state machine whose states follow one another, unless a state specifies its successor.

    :param states: in order; the last one ends the machine.
    :param timeout_s: timeout of the whole machine, in the reference system's seconds.
    :returns: the definition, JSON.
    """
    names = list(states)
    linked: dict[str, State] = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        linked[name] = dict(states[name])
        if states[name]["Type"] not in ("Choice", "Succeed", "Fail") and "Next" not in states[name]:
            linked[name].update({"Next": following} if following else {"End": True})
    return json.dumps({"Comment": comment, "StartAt": names[0], "States": linked, "TimeoutSeconds": timeout_s})


def give(values: Mapping[str, Any], into: str = "$") -> State:
    """Return a Pass state that adds values to the state's data."""
    return {"Type": "Pass", "Parameters": values, "ResultPath": into}


def wait(seconds: int, next: str | None = None) -> State:
    """Return a Wait state, in the reference system's seconds."""
    return {"Type": "Wait", "Seconds": seconds, **({"Next": next} if next else {})}


def invoke(function_arn: str, payload: Mapping[str, Any], into: str | None = NOTHING) -> State:
    """Return a Task state that invokes a Lambda function."""
    parameters = {"FunctionName": function_arn, "Payload": payload}
    retry = [{**LAMBDA_RETRY, "MaxAttempts": 6, "BackoffRate": 2}]
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters}
    return {**task, "ResultPath": into, "Retry": retry}


def call(action: str, parameters: Mapping[str, Any], into: str | None = NOTHING) -> State:
    """Return a Task state that calls an AWS API in the machine's own region, such as ``rds:describeGlobalClusters``."""
    resource = f"arn:aws:states:::aws-sdk:{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "ResultPath": into}


def choose(*rules: State, otherwise: str) -> State:
    """Return a Choice state."""
    return {"Type": "Choice", "Choices": list(rules), "Default": otherwise}


def fail(error: str, cause: str) -> State:
    """Return a Fail state."""
    return {"Type": "Fail", "Error": error, "Cause": cause}
