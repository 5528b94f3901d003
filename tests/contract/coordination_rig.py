"""Leases and owed undos that a test plants in the coordination of a system."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.aws import system_of
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import Coordination, Lease, LeaseRequest
from chaosdrill.coordination.items import ItemWrite, Key, lease_key, undo_key
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.coordination.store import ItemStore
from chaosdrill.coordination.table import TableStore
from chaosdrill.parts.registry import lease_keys
from tests.contract.activities_rig import Rig

HOUR_MS = 3_600_000


@dataclass
class Planted:
    """A system whose leases and owed undos a test plants."""

    topology: Path
    store: ItemStore
    runs: Path
    leases: list[Lease]

    @property
    def coordination(self) -> Coordination:
        return ItemCoordination(self.store)

    def acquire(self, run: str, lease_ms: int = HOUR_MS, **facts: Any) -> Lease:
        known = {"purpose": "drill", "experiment": "failover.yaml", "end": "serving(ap-northeast-1)"} | facts
        keys = lease_keys(system_of({"topology": str(self.topology)}).topology)
        request = LeaseRequest(run, resources=keys, lease_ms=lease_ms, attempt_ms=7_000, holder=this_process(), **known)
        lease = self.coordination.acquire(request)
        self.leases.append(lease)
        return lease

    def release_all(self) -> None:
        """Leave the shared table without a holder and without an owed undo."""
        for lease in self.leases:
            self.store.update(ItemWrite(lease_key(lease.run), {"schema": 1}))
            for item in self.store.partition(f"run#{lease.run}"):
                if item["SK"].startswith("undo#"):
                    self.store.update(ItemWrite(undo_key(lease.run, item["number"]), {"schema": 1}))
                    self.coordination.pay(lease.run, item["number"], "test")
            self.coordination.release(lease)

    def make_newer(self, key: Key) -> None:
        self.store.update(ItemWrite(key, {"schema": 2, "needs": "7.1.0"}))


def in_table(rig: Rig, topology: Path) -> TableStore:
    system = system_of({"topology": str(topology)})
    table = system.topology.coordination
    assert table is not None
    return TableStore(system.coordination_client(table.region), table)
