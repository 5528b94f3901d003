"""FIS's action ``aws:dynamodb:global-table-pause-replication``, as the lab's main table carries it out.

On AWS statements are added to the resource policies of the replica and of its stream, which deny DynamoDB's replication
role: nothing leaves that replica and nothing arrives there, while applications go on reading and writing. "Tables may
continue to be replicated for up to 5 minutes after action begins", so here they do. The statements end by themselves.

:source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#dynamodb-actions-reference
"""

import uuid
from dataclasses import dataclass, field

from chaosdrill.lab.aws.runtime import ask, scaled, strict
from chaosdrill.lab.strictness import LENIENT_PAUSE

BEGINS_REFERENCE_S = 240.0
ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True)
class ReplicationPause:
    """A pause of the main table's replication.

    :param duration_s: in the reference's seconds.
    """

    duration_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:15])

    def inject(self) -> None:
        """Begin it, some time from now.

        :raises LabError: when the lab does not answer.
        :undo: :meth:`heal`
        """
        after_s = scaled(BEGINS_REFERENCE_S) if strict(LENIENT_PAUSE) else 0.0
        duration_s = scaled(self.duration_s)
        ask("main_table.pause", ANSWER_WITHIN_S, id=self.id, after_s=after_s, duration_s=duration_s)

    def heal(self) -> None:
        """End it, if it still goes on."""
        ask("main_table.resume", ANSWER_WITHIN_S, id=self.id)
