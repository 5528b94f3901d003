"""The FIS actions that this lab can carry out; no others are listed."""

from typing import Any

from chaosdrill.lab.aws.fis.targets import GLOBAL_TABLE, INSTANCE, SUBNET
from chaosdrill.lab.aws.runtime import plan

SEND_COMMAND = "aws:ssm:send-command"
WAIT = "aws:fis:wait"
DISRUPT = "aws:network:disrupt-connectivity"
PAUSE = "aws:dynamodb:global-table-pause-replication"


def actions(region: str) -> dict[str, dict[str, Any]]:
    """Return the actions by ID, as GetAction describes them."""
    duration = {"description": "The duration of the action.", "required": True}
    command = {
        "documentArn": {"description": "The ARN of the SSM document.", "required": True},
        "documentVersion": {"description": "The version of the document.", "required": False},
        "documentParameters": {"description": "The document's parameters, JSON.", "required": False},
        "duration": duration,
    }
    described = {
        SEND_COMMAND: ("Run an SSM document on EC2 instances.", command, {"Instances": {"resourceType": INSTANCE}}),
        DISRUPT: (
            "Deny the traffic of subnets; of the scopes the lab knows all.",
            {"scope": {"description": "The type of traffic to deny.", "required": True}, "duration": duration},
            {"Subnets": {"resourceType": SUBNET}},
        ),
        PAUSE: (
            "Pause the replication of a global table's replica.",
            {"duration": duration},
            {"Tables": {"resourceType": GLOBAL_TABLE}},
        ),
        WAIT: ("Wait for the time given.", {"duration": duration}, {}),
    }
    return {name: _action(region, name, *facts) for name, facts in described.items()}


def _action(region: str, name: str, description: str, parameters: Any, targets: Any) -> dict[str, Any]:
    arn = f"arn:aws:fis:{region}:{plan().account}:action/{name}"
    facts = {"id": name, "arn": arn, "description": description}
    return {**facts, "parameters": parameters, "targets": targets, "tags": {}}
