"""docs/rescue-states.md, written from the code: ``python -m tests.rescue_page``."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

from chaosdrill.parts.interface import UNREADABLE, Role
from chaosdrill.rescue.decisions import DATA_LOSS, ROWS, RescueRequest, Row
from chaosdrill.rescue.facts import PLACEMENT_FACTS, REGIONS, Facts
from chaosdrill.rescue.plan import plan
from tests.codes_page import table
from tests.small_drills import REPOSITORY

PAGE = REPOSITORY / "docs" / "rescue-states.md"
NUMBERS = {row.name: number for number, row in enumerate(ROWS, 1)}
GATES, ROUTINGS, DATABASES, EXECUTIONS = ((*values, UNREADABLE) for values in PLACEMENT_FACTS.values())
HEADINGS = ("", "state", "how it arises", "what a rescue does", "what a person does", "combinations")
OWED: frozenset[Role] = frozenset({"orchestrator"})

HEAD = """# States that a rescue finds

When the driver of a drill has died, a rescue reads one fact from each part of the system, and this ordered list decides
what it does: the first state that fits. After each change it reads everything again. This page is written from the code
(`chaosdrill/rescue/decisions.py`) by `python -m tests.rescue_page`; a test compares the two, and others go through
every combination of facts (`tests/unit/test_rescue_plan.py`).

A rescue

- never makes two regions serve: it opens a region only when the other one is closed, and only the region of the writer;
- never promotes a database that would lose writes, unless it was told in words that writes may be lost;
- never changes anything but faults, load and heartbeat while an execution runs that the drill did not start;
- never changes stop flags, routing or writer on facts that are unreadable, except in the state
  `closed-routing-unreadable`. A rollback, which knows what its own drill did, also closes the region that does not
  write when both are open and the routing is unreadable;
- never moves the writer while a fault is in force, or while that is unknown;
- switches the automatic failover off before it changes the placement, and on again at the end if it was on before;
- restores a capacity that the drill lowered before it changes the placement, and lowers one that the drill raised at
  the end;
- does nothing when it is repeated after a success.

Its last plan says that nothing is owed any more, or what a person must do.

"""
FACTS = """## The facts

| part | values, beside `unreadable` |
|---|---|
| stop flags | {gate}: which regions are open |
| routing | {routing}: where the domain leads |
| database | {database}: which region writes |
| executions | {orchestrator}: which execution of the state machines runs |

`ready`: the writer could move to the other region now. `waiting`: it could not, because Aurora rebuilds the cluster
there. `to-home`, `to-standby`: an execution that the drill started. `foreign`: another one, or several.

"""
STATES = """## The states

The last column counts the combinations that a state decides, of {total:,}: the four facts above; either region as the
one that should serve; data loss allowed or not; the automatic failover readable or not; no fault, one of the drill, or
unreadable faults. A state with a number of tries is left to a person when the rescues of one run have tried that often.

"""
COMBINATIONS = """
## Every combination

The number of the state for each combination, when home should serve; for standby, exchange the two words. The automatic
failover is off, no fault is in force, and the drill owes more than load and heartbeat. Where data loss is allowed,
{before} becomes {after} with a readable routing, and {unreadable} without.
"""


def rescue_page() -> str:
    """:returns: the whole page."""
    facts = FACTS.format(**{role: ", ".join(f"`{one}`" for one in values) for role, values in PLACEMENT_FACTS.items()})
    return HEAD + facts + _states() + _combinations()


def _states() -> str:
    covered = _covered()
    rows = [
        (
            str(number),
            f"`{row.name}`",
            row.arises,
            row.does + _tries(row),
            row.by_person,
            _count(covered, row),
        )
        for number, row in enumerate(ROWS, 1)
    ]
    return STATES.format(total=sum(covered.values())) + table(HEADINGS, rows)


def _count(covered: Counter[str], row: Row) -> str:
    """The first row does not depend on the facts."""
    return f"{covered[row.name]:,}" if covered[row.name] else "any"


def _tries(row: Row) -> str:
    return f" Tries: {row.tries}." if row.kind in ("wait", "change") else ""


def _covered() -> Counter[str]:
    """Count the combinations that each row decides."""
    placements = product(GATES, ROUTINGS, DATABASES, EXECUTIONS)
    others = product(("off", UNREADABLE), ("none", "ours", UNREADABLE), REGIONS, ("", DATA_LOSS))
    return Counter(
        plan(Facts(*placement, {"fault": fault}, {"trigger": trigger}), RescueRequest(goal, OWED, loss)).row.name
        for placement, (trigger, fault, goal, loss) in product(placements, others)
    )


def _combinations() -> str:
    names = {"before": "no-writer", "after": "no-writer-loss-allowed", "unreadable": "routing-unreadable"}
    text = COMBINATIONS.format(**{place: NUMBERS[name] for place, name in names.items()})
    return text + "".join(_of_execution(execution) for execution in EXECUTIONS)


def _of_execution(execution: str) -> str:
    rows = [
        (f"`{gate}`", f"`{routing}`", *_numbers(gate, routing, execution)) for gate in GATES for routing in ROUTINGS
    ]
    headings = ("stop flags", "routing", *(f"`{database}`" for database in DATABASES))
    return f"\n### Executions: `{execution}`\n\n" + table(headings, rows)


def _numbers(gate: str, routing: str, execution: str) -> Iterator[str]:
    for database in DATABASES:
        row = plan(Facts(gate, routing, database, execution), RescueRequest("home", OWED)).row
        yield str(NUMBERS[row.name])


if __name__ == "__main__":
    PAGE.write_text(rescue_page())
