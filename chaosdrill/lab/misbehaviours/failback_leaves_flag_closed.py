"""The failback succeeds, and leaves the home region closed."""

import json
from typing import Any

from chaosdrill.lab.misbehaviours.machine_definition import redefine
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab


async def begin(lab: Lab) -> ActiveBreak:
    """Make the failback machine's last step write TRUE instead of FALSE."""

    def close(states: dict[str, Any]) -> None:
        written = json.dumps(states["StartDestination"])
        states["StartDestination"] = json.loads(written.replace('{"S": "false"}', '{"S": "true"}'))

    return ActiveBreak(await redefine(lab, "failback", close))


BREAK = Break(
    "failback-leaves-flag-closed",
    "the failback succeeds and everything is home again, but its stop flag stays TRUE",
    "Step Functions' UpdateStateMachine: the failback machine's last step writes TRUE",
    begin,
)
