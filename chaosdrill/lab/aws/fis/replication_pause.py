"""FIS's action ``aws:dynamodb:global-table-pause-replication``, carried out on the lab's main table.

FIS adds statements to the resource policies of the replica and of its stream that deny DynamoDB's replication: no
writes leave or reach that replica, while applications continue to read and write. GetResourcePolicy returns the
statements. "Tables may continue to be replicated for up to 5 minutes after action begins", and here they do. The
statements have no effect after the duration, and FIS removes them when the experiment ends; a policy without other
statements is deleted.

:source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#dynamodb-actions-reference
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chaosdrill.lab.aws.dynamodb import add_statements, remove_statements
from chaosdrill.lab.aws.runtime import ask, plan, scaled, strict
from chaosdrill.lab.plan import PAUSE_BEGINS_REFERENCE_S
from chaosdrill.lab.strictness import LENIENT_PAUSE

ANSWER_WITHIN_S = 15.0
SID = "DoNotModifyFisDynamoDbPauseReplication"
SERVICE = "replication.dynamodb.amazonaws.com"
OF_SERVICE = ("dynamodb:ReadDataForReplication", "dynamodb:WriteDataForReplication")
OF_ROLE = (
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:UpdateTable",
    "dynamodb:Scan",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:UpdateTimeToLive",
)
OF_STREAM = ("dynamodb:GetRecords", "dynamodb:DescribeStream", "dynamodb:GetShardIterator")


@dataclass(frozen=True)
class ReplicationPause:
    """A pause of the replication of one replica of the main table.

    :param region: the replica's region.
    :param table: ARN of the table.
    :param stream: ARN of its stream.
    :param experiment: ID of the experiment.
    :param duration_s: in the reference system's seconds.
    """

    region: str
    table: str
    stream: str
    experiment: str
    duration_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:15])

    def inject(self) -> None:
        """Write the statements, and schedule the pause, which begins some time later.

        :raises LabError: when the lab does not respond.
        :undo: :meth:`heal`
        """
        after_s = scaled(PAUSE_BEGINS_REFERENCE_S) if strict(LENIENT_PAUSE) else 0.0
        duration_s = scaled(self.duration_s)
        end = f"{datetime.now(UTC) + timedelta(seconds=duration_s):%Y-%m-%dT%H:%M:%S.%fZ}"
        add_statements(self.region, self.table, list(self._statements_of_table(end)))
        add_statements(self.region, self.stream, [self._statement_of_role(OF_STREAM, self.stream, end)])
        ask("main_table.pause", ANSWER_WITHIN_S, id=self.id, after_s=after_s, duration_s=duration_s)

    def heal(self) -> None:
        """End the pause; has no effect when it has ended."""
        self.clear_policies()
        ask("main_table.resume", ANSWER_WITHIN_S, id=self.id)

    def clear_policies(self) -> None:
        """Remove the statements, as FIS does whenever the experiment ends."""
        for arn in (self.table, self.stream):
            remove_statements(self.region, arn, self._sid)

    @property
    def _sid(self) -> str:
        return SID + self.experiment

    def _statements_of_table(self, end: str) -> Iterator[dict[str, Any]]:
        service = {"StringEquals": {"aws:PrincipalServiceName": SERVICE}}
        yield _denied(f"{self._sid}ServicePrincipal", OF_SERVICE, self.table, end, service)
        yield self._statement_of_role(OF_ROLE, self.table, end)

    def _statement_of_role(self, actions: tuple[str, ...], arn: str, end: str) -> dict[str, Any]:
        role = f"arn:aws:iam::{plan().account}:role/aws-service-role/{SERVICE}/AWSServiceRoleForDynamoDBReplication"
        return _denied(self._sid, actions, arn, end, {"ArnEquals": {"aws:PrincipalArn": role}})


def _denied(sid: str, actions: tuple[str, ...], arn: str, end: str, principal: dict[str, Any]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(actions),
        "Resource": arn,
        "Condition": {"DateLessThan": {"aws:CurrentTime": end}, **principal},
    }
