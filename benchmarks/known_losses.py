"""Lost writes against the truth: unplanned failovers with replication held back, the reported ids and the missing ones.

    python -m benchmarks.known_losses [N] [STORE]

Run from the repository. N times (default 20) for each store (default both, or main-table, or database), in a lab of its
own at scale 0.1: a heartbeat writes, replication is held back for a known time, home is cut off and the standby takes
over with what it has; then the heartbeat reads back what it wrote. Prints for each how long was held, how many writes
were lost by the databases' own account and by the judgement, and whether the ids are the same. About 40 s each.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from chaosdrill.analysis.losses import losses
from chaosdrill.lab.plan import HOME, STANDBY
from chaosdrill.runs.reading import read_run
from tests.lab.beating import beating
from tests.lab.lying import Looks
from tests.running_lab import RunningLab

STORES = ("main-table", "database")
SCALE = 0.1
STEADY_S, READ_BACK_S, CUT_OFF_S = 3.0, 20.0, 600.0
LABEL = "after-failover"


def fail_over_unplanned(looks: Looks) -> None:
    """Home is gone from one moment to the next; the standby takes over with what it has."""
    servers = [*HOME.load_balancer_addresses, HOME.database_address, HOME.main_table_address]
    looks.lab.call("network.isolate", id="known", networks=servers, duration_s=CUT_OFF_S)
    looks.set_flag(HOME, "true")
    looks.move_writer(STANDBY, lossy=True)
    looks.route_to(STANDBY)
    looks.set_flag(STANDBY, "false")
    looks.until_open(STANDBY)


def missing(looks: Looks, accepted: set[str]) -> set[str]:
    """:returns: the accepted writes that are not in the standby's stores, or never had an effect there."""
    truth = looks.truth(STANDBY)
    gone = {one for one in accepted if truth.get(one, {}).get("status") is None}
    return gone | {one for one in accepted - gone if truth[one]["settled"] == 0}


def once(store: str, held_s: float, directory: Path) -> bool:
    """Lose writes once; print what was lost and what was reported.

    :returns: whether it is the same, id by id.
    """
    lab = RunningLab(directory / "home")
    lab.up(SCALE)
    try:
        looks = Looks(lab)
        with beating(looks, directory / "run") as heartbeat:
            time.sleep(STEADY_S)
            looks.lab.call("break", name="hold-replication", options={"store": store, "seconds": 45.0})
            time.sleep(held_s)
            fail_over_unplanned(looks)
            time.sleep(looks.plan.ttl_s + STEADY_S)
            heartbeat.read_back(LABEL, READ_BACK_S)
            heartbeat.stop()
        ledger = read_run(directory / "run").ledger
        assert ledger is not None
        until_ns = ledger.read_backs[LABEL].writes_until_ns or 0
        accepted = {
            str(one.id) for one in ledger.writes.values() if one.outcome == "accepted" and one.due_ns < until_ns
        }
        lost = missing(looks, accepted)
        reported = {str(one.id) for one in losses(ledger, LABEL).lost}
    finally:
        lab.down()
    same = lost == reported and bool(lost)
    print(
        f"{store:<11} held {held_s:4.1f} s: {len(accepted):4} accepted, {len(lost):3} missing, "
        f"{len(reported):3} reported, {'the same ids' if same else 'NOT the same ids'}",
        flush=True,
    )
    for what, ids in (("missing, not reported", lost - reported), ("reported, not missing", reported - lost)):
        if ids:
            print(f"  {what}: {len(ids)}, such as {', '.join(sorted(ids)[:3])}")
    return same


def main(times: int, stores: tuple[str, ...]) -> int:
    """:returns: the exit code, 1 when one was not the same."""
    right = 0
    for number in range(times):
        for store in stores:
            directory = Path(tempfile.mkdtemp())
            try:
                right += once(store, 0.5 + 3.5 * number / max(1, times - 1), directory)
            finally:
                shutil.rmtree(directory, ignore_errors=True)
    print(f"the reported ids are the missing ones in {right} of {times * len(stores)}")
    return int(right < times * len(stores))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, tuple(sys.argv[2:]) or STORES))
