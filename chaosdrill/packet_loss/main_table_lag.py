"""The main table's replication lag, measured just before a fault that endangers what was not replicated."""

from chaosdrill import history
from chaosdrill.aws import System, main_table
from chaosdrill.errors import CannotSee

EVENT = "main-table-lag"


def note_main_table_lag(system: System, region: str, table: str | None = None) -> None:
    """Record how far the other region's replica is behind ``region``, or why that is unknown; the fault begins in any
    case.

    :param table: the main table; None: the topology's. Without one nothing is read.
    """
    name, receiving = table or system.topology.main_table, system.topology.other_region(region)
    if name is None or history.current() is None:
        return
    lag_s, why = None, ""
    try:
        lag_s = main_table.replication_lag_s(system, name, receiving)
    except CannotSee as error:
        why = str(error)
    history.record(EVENT, table=name, region=region, receiving=receiving, lag_s=lag_s, why=why)
