"""Changes of the reference system's state machines with UpdateStateMachine, and their restoration."""

import json
from collections.abc import Callable
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.misbehaviours.api import call_json
from chaosdrill.lab.misbehaviours.model import Lab, Mend

PREFIXES = {"failover": "FailoverStateMachine", "failback": "FailbackStateMachine"}


async def redefine(lab: Lab, machine: str, change: Callable[[dict[str, Any]], None]) -> Mend:
    """Change the states of a machine.

    :param machine: failover or failback.
    :param change: changes the machine's states in place.
    :returns: a function that restores the definition.
    :raises LabError: when there is no such machine.
    """
    arn = await _arn(lab, PREFIXES[machine])
    before = (await _call(lab, "DescribeStateMachine", stateMachineArn=arn))["definition"]
    definition = json.loads(before)
    change(definition["States"])
    await _call(lab, "UpdateStateMachine", stateMachineArn=arn, definition=json.dumps(definition))

    async def mend() -> str:
        await _call(lab, "UpdateStateMachine", stateMachineArn=arn, definition=before)
        return ""

    return mend


async def _arn(lab: Lab, prefix: str) -> str:
    found = (await _call(lab, "ListStateMachines"))["stateMachines"]
    for machine in found:
        if machine["name"].startswith(prefix):
            return str(machine["stateMachineArn"])
    raise LabError(f"no state machine whose name begins with {prefix}")


async def _call(lab: Lab, operation: str, **body: Any) -> dict[str, Any]:
    return await call_json(lab.plan, "states", lab.plan.standby.name, f"AWSStepFunctions.{operation}", body)
