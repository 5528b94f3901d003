"""Breaks of what AWS's API says: the claim is made, and the world is another."""

import time
from collections.abc import Iterator

import pytest

from chaosdrill.lab.misbehaviours.machine_skips import STEPS
from chaosdrill.lab.plan import HOME, STANDBY
from tests.lab.lying import FAILBACK, FAILOVER, Looks
from tests.running_lab import RunningLab
from tests.waiting import wait_for

pytestmark = pytest.mark.long

RESOLVE = "import socket; print(*sorted({one[4][0] for one in socket.getaddrinfo('api.example.com', 80)}))"


@pytest.fixture(scope="module")
def module_looks(lab: RunningLab) -> Looks:
    return Looks(lab)


@pytest.fixture
def looks(module_looks: Looks) -> Iterator[Looks]:
    yield module_looks
    module_looks.go_home()


@pytest.mark.parametrize(("region", "name", "rest"), [(HOME, "home", "false"), (STANDBY, "standby", "true")])
def test_stop_flag_ignored(looks, region, name, rest):
    other = STANDBY if region is HOME else HOME
    looks.begin("stop-flag-ignored", region=name)
    wanted = "true" if rest == "false" else "false"
    assert looks.set_flag(region, wanted) == 200
    assert looks.flag(region) == rest
    looks.set_flag(other, "true")
    assert looks.flag(other) == "true"
    looks.go_home()
    looks.set_flag(region, wanted)
    assert looks.flag(region) == wanted


def test_routing_without_dns(looks):
    looks.begin("routing-without-dns")
    looks.route_to(STANDBY)
    assert looks.routing() == {"rc-tokyo": "Off", "rc-osaka": "On"}
    assert looks.addresses() == set(HOME.load_balancer_addresses)
    looks.mend()
    assert looks.addresses() == set(STANDBY.load_balancer_addresses)


def test_routing_without_dns_where_the_standby_serves(looks):
    looks.move_writer(STANDBY)
    looks.route_to(STANDBY)
    looks.begin("routing-without-dns")
    looks.route_to(HOME)
    assert looks.addresses() == set(STANDBY.load_balancer_addresses)
    looks.mend()
    assert looks.addresses() == set(HOME.load_balancer_addresses)


def test_dns_ttl_ignored(looks):
    looks.begin("dns-ttl-ignored")
    before = looks.on_client("-c", RESOLVE).split()
    assert set(before) == set(HOME.load_balancer_addresses)
    looks.route_to(STANDBY)
    time.sleep(looks.plan.ttl_s + 0.5)
    assert looks.addresses() == set(STANDBY.load_balancer_addresses)
    assert looks.on_client("-c", RESOLVE).split() == before
    looks.mend()
    assert set(looks.on_client("-c", RESOLVE).split()) == set(STANDBY.load_balancer_addresses)


@pytest.mark.parametrize("step", STEPS)
def test_machine_skips(looks, step):
    looks.begin(f"machine-skips-{step}", machine="failover")
    execution = looks.run_machine(FAILOVER)
    events = looks.aws("stepfunctions").get_execution_history(executionArn=execution, maxResults=200)["events"]
    entered = [(one["type"], one["stateEnteredEventDetails"]["name"]) for one in events if "Entered" in one["type"]]
    assert ("PassStateEntered", step) in entered
    assert {name for kind, name in entered if kind != "PassStateEntered"} >= set(STEPS) - {step}
    seen = {
        "StopSource": looks.flag(HOME) == "true",
        "SwitchRoute53Arc": looks.routing() == {"rc-tokyo": "Off", "rc-osaka": "On"},
        "SwitchOver": looks.writers() == [STANDBY.name],
        "StartDestination": looks.flag(STANDBY) == "false",
    }
    assert [name for name, done in seen.items() if not done] == [name for name in seen if name == step]


def test_the_failback_machine_skips_and_is_mended(looks):
    looks.begin("machine-skips-StartDestination", machine="failback")
    looks.run_machine(FAILOVER)
    looks.run_machine(FAILBACK)
    assert looks.flag(HOME) == "true"
    looks.go_home()
    looks.run_machine(FAILOVER)
    assert looks.flag(STANDBY) == "false"
    looks.run_machine(FAILBACK)
    assert looks.flag(HOME) == "false"


def test_failback_leaves_flag_closed(looks):
    looks.begin("failback-leaves-flag-closed")
    looks.run_machine(FAILOVER)
    looks.run_machine(FAILBACK)
    assert looks.writers() == [HOME.name]
    assert looks.addresses() == set(HOME.load_balancer_addresses)
    assert looks.flag(HOME) == "true"


def test_writer_flips_back(looks):
    looks.begin("writer-flips-back")
    looks.move_writer(STANDBY)
    assert looks.writers() == [STANDBY.name]
    wait_for(lambda: looks.writers() == [HOME.name])
    assert looks.roles()[HOME.name] == "primary"


def test_two_writers(looks):
    looks.begin("two-writers")
    looks.move_writer(STANDBY)
    wait_for(lambda: len(looks.writers()) == 2)
    assert looks.roles() == {HOME.name: "primary", STANDBY.name: "primary"}
    written = "insert into account (account_id) values ('two-writers') returning account_id"
    for region in (HOME, STANDBY):
        done = looks.lab.on_client("psql", "-qAtX", "-h", region.database_address, "-c", written)
        assert done.stdout.strip() == "two-writers"
    said = looks.lab.run("lab", "break", "--clear").stdout
    assert HOME.name in said, "whose writes are gone"
    assert looks.roles() == {HOME.name: "standby", STANDBY.name: "primary"}
    assert looks.writers() == [STANDBY.name]


def test_switchover_slow(looks):
    looks.begin("switchover-slow", seconds=9)
    began = time.monotonic()
    looks.move_writer(STANDBY)
    assert time.monotonic() - began > 9
    looks.mend()
    began = time.monotonic()
    looks.move_writer(HOME)
    assert time.monotonic() - began < 9


CONNECT = f"""
import socket
try:
    socket.create_connection(({HOME.load_balancer_addresses[0]!r}, 80), timeout=0.4).close()
    print("answered")
except TimeoutError:
    print("lost")
"""


def inject(looks, seconds):
    fault = {"percent": 100, "sources": list(HOME.load_balancer_addresses), "traffic_type": "ingress"}
    looks.lab.call("packet_loss.inject", id="lying", **fault, duration_s=seconds)


def test_fault_injects_nothing(looks):
    looks.begin("fault-injects-nothing")
    before = looks.lab.call("packet_loss.status")["dropped_packets"]
    inject(looks, 60)
    assert looks.on_client("-c", CONNECT).strip() == "answered"
    seen = looks.lab.call("packet_loss.status")
    assert list(seen["active"]) == ["lying-i32"]
    assert seen["dropped_packets"] == before
    looks.mend()
    assert looks.on_client("-c", CONNECT).strip() == "lost"
    looks.lab.call("packet_loss.heal", id="lying")
    assert looks.on_client("-c", CONNECT).strip() == "answered"


def test_fault_never_healed(looks):
    looks.begin("fault-never-healed")
    inject(looks, 0.1)
    looks.lab.call("packet_loss.heal", id="lying")
    time.sleep(0.2)
    assert looks.on_client("-c", CONNECT).strip() == "lost"
    looks.mend()
    assert looks.on_client("-c", CONNECT).strip() == "answered"
