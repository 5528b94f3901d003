"""After a failover, reads recover and writes do not."""

from chaosdrill.lab.misbehaviours.main_table_sql import refuse_writes
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab


async def begin(lab: Lab) -> ActiveBreak:
    """Make the main table of the region that does not serve yet refuse new transactions; reads succeed."""
    return ActiveBreak(await refuse_writes(lab, lab.other))


BREAK = Break(
    "reads-only",
    "the standby serves reads, and refuses every write",
    "SQL: accept() of the standby's main table raises",
    begin,
)
