"""Where the ledger of a calendar is kept: in the table of a topology, or in a file of this machine."""

from chaosdrill.aws import system_of
from chaosdrill.coordination.sqlite import SqliteStore
from chaosdrill.coordination.store import ItemStore
from chaosdrill.coordination.table import TableStore
from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.calendar import Calendar
from chaosdrill.paths import home

FILE = "ledger.sqlite"


def store_of(calendar: Calendar) -> ItemStore:
    """Return the store of a calendar's ledger, approvals and sent notifications.

    Nothing is read or written yet.

    :returns: the coordination table of the topology that the calendar names (``ledger:``); without one a file of this
        machine, which excludes ticks of one home only.
    :raises BadInput: when that topology cannot be used, or names no table.
    """
    if calendar.ledger is None:
        return SqliteStore(home() / "gamedays" / FILE)
    system = system_of({"topology": str(calendar.ledger)})
    table = system.topology.coordination
    if table is None:
        fix = "add `coordination: {table: …, region: …}` to it, or leave `ledger` out to keep it on this machine"
        raise BadInput([problem("coordination-missing", f"ledger: {calendar.ledger} names no table: {fix}")])
    return TableStore(system.coordination_client(table.region), table)
