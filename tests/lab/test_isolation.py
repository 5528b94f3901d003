"""A region that is cut off by the kernel: who is, who is not, and its end."""

import pytest

from chaosdrill.lab.plan import HOME, STANDBY
from tests.running_lab import RunningLab
from tests.waiting import wait_for

TOKYO, OSAKA = "10.100.5.165", "10.101.4.37"
NETWORKS = ["10.100.4.0/22", "10.100.1.0/24"]

# prints which of the addresses (address:port) accept a connection within 0.5 s
REACHED = """
import socket, sys
for where in sys.argv[1:]:
    address, port = where.split(":")
    s = socket.socket(); s.settimeout(0.5)
    try: s.connect((address, int(port))); print(where)
    except TimeoutError: pass
    finally: s.close()
"""


@pytest.fixture(autouse=True)
def connected(lab: RunningLab):
    yield
    lab.call("network.reconnect", id="test")


def reached(lab: RunningLab, *where: str) -> list[str]:
    return lab.on_client("python", "-c", REACHED, *where).stdout.split()


def test_only_the_networks_are_cut_off_until_they_are_connected_again(lab):
    everywhere = [f"{TOKYO}:80", "10.100.1.10:5432", f"{OSAKA}:80", "10.101.1.10:5432"]
    assert reached(lab, *everywhere) == everywhere
    lab.call("network.isolate", id="test", networks=NETWORKS, duration_s=60)
    assert reached(lab, *everywhere) == everywhere[2:]
    assert lab.call("network.isolated")["dropped_packets"] > 0
    assert lab.call("packet_loss.status")["active"] == {}  # it is not the client host that loses packets
    lab.call("network.reconnect", id="test")
    assert reached(lab, *everywhere) == everywhere


def test_the_kernel_ends_it(lab):
    lab.call("network.isolate", id="test", networks=NETWORKS, duration_s=3)
    assert lab.call("network.isolated")["active"] != {}
    while lab.call("network.isolated")["active"]:
        pass  # each look is a round trip
    assert reached(lab, f"{TOKYO}:80") == [f"{TOKYO}:80"]


def sql(lab: RunningLab, address: str, statement: str) -> str:
    return lab.on_client("psql", "-qAtX", "-h", address, "-c", statement).stdout.strip()


def test_a_region_that_is_cut_off_goes_on_replicating(lab):
    """Neither Aurora's storage replication nor DynamoDB's goes through the subnets."""
    lab.call("network.isolate", id="test", networks=["10.100.0.0/20"], duration_s=60)
    assert reached(lab, *(f"{one}:5432" for one in (HOME.database_address, HOME.main_table_address))) == []
    accepted = f"select accept(gen_random_uuid(), 'cut-off', 'deposit', 1, '{HOME.name}')"
    sql(lab, HOME.database_storage_address, "insert into account values ('cut-off', 1) on conflict do nothing")
    sql(lab, HOME.main_table_storage_address, accepted)
    for address, table in ((STANDBY.database_address, "account"), (STANDBY.main_table_address, "transactions")):
        count = f"select count(*) from {table} where account_id = 'cut-off'"
        wait_for(lambda address=address, count=count: sql(lab, address, count) == "1")
    assert lab.call("network.isolated")["active"] != {}


def test_a_database_that_is_cut_off_is_rebuilt_meanwhile(lab):
    lab.call("network.isolate", id="test", networks=["10.100.1.0/24"], duration_s=60)
    lab.call("database.failover", to_region=STANDBY.name)
    lab.call("database.rejoined")
    assert lab.call("network.isolated")["active"] != {}
    lab.call("network.reconnect", id="test")
    lab.call("database.switchover", to_region=HOME.name)
    assert lab.call("database.status")["writer"] == HOME.name
