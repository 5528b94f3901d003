"""The coordination of a system according to its topology, and the lease requests of a run."""

from collections.abc import Collection, Sequence

from chaosdrill.aws import System, deadlines
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import Coordination, LeaseRequest, Purpose
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.coordination.table import TableStore

LEASE_S = 60.0  # for a system without a table


def coordination_of(system: System) -> Coordination:
    """Return the coordination of a system: in the table that its topology names, else in a file of this machine.

    Nothing is read or written yet, so an unreachable table is noticed by the first operation.
    """
    table = system.topology.coordination
    if table is None:
        return ItemCoordination(FileStore())
    return ItemCoordination(TableStore(system.coordination_client(table.region), table))


def lease_request(
    system: System,
    run: str,
    purpose: Purpose,
    resources: Sequence[str],
    *,
    experiment: str = "",
    end: str = "",
    pays: Collection[str] = (),
) -> LeaseRequest:
    """Describe the lease that this process requests.

    :param resources: keys of what it covers (:func:`chaosdrill.parts.registry.lease_keys`).
    :param end: the region state that a drill promises at its end.
    :param pays: runs whose owed undos do not refuse it.
    """
    table, region = system.topology.coordination, system.topology.client.region
    lease_s = table.lease_s if table else LEASE_S
    attempt_s = deadlines.attempt_s(system.client("fis", region))
    times = (int(lease_s * 1000), int(attempt_s * 1000))
    return LeaseRequest(run, purpose, tuple(resources), *times, this_process(), experiment, end, pays)
