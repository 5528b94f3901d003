"""Which breaks there are, how they are asked for, and the resolver that does not care for TTLs."""

import struct

import pytest
from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.errors import BadInput
from chaosdrill.lab.dns.caching_resolver import Cache
from chaosdrill.lab.misbehaviours import all_breaks, parse_breaks


def said(*words: str) -> str:
    done = CliRunner().invoke(cli, ["lab", "break", *words])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_there_are_all_that_a_drill_must_see_through():
    wanted = {
        *("health-check-lies", "stop-flag-ignored", "routing-without-dns", "dns-ttl-ignored", "writer-flips-back"),
        *("two-writers", "replica-forgets", "settled-deleted", "deposit-twice", "fault-injects-nothing"),
        *("fault-never-healed", "switchover-slow", "load-stops", "worker-stops", "clock-off", "reads-only"),
        *("failback-leaves-flag-closed", "hold-replication", "outage", "worker-slow"),
        *(f"machine-skips-{step}" for step in ("StopSource", "SwitchRoute53Arc", "SwitchOver", "StartDestination")),
        "machine-skips-WaitForParameterPropagation",
    }
    assert set(all_breaks()) == wanted


def test_everything_is_listed():
    listed = said("--list")
    assert [name for name, one in all_breaks().items() if f"{name} {one.says}" not in listed] == []


@pytest.mark.parametrize("name", all_breaks())
def test_each_explains_what_it_does_and_how(name):
    one, explained = all_breaks()[name], said(name, "--help")
    assert one.says[1:] in explained
    assert f"How: {one.means}." in explained
    assert [option.name for option in one.options if f"--{option.name} " not in explained] == []


def test_what_is_asked_for_gets_its_defaults():
    assert parse_breaks(
        ["reads-only", " outage:seconds=0.5 ", "", "stop-flag-ignored:region=standby", "clock-off"]
    ) == [
        {"name": "reads-only", "options": {}},
        {"name": "outage", "options": {"seconds": 0.5}},
        {"name": "stop-flag-ignored", "options": {"region": "standby"}},
        {"name": "clock-off", "options": {"seconds": 5.0}},
    ]


def test_everything_that_cannot_be_is_told_at_once():
    with pytest.raises(BadInput) as refused:
        parse_breaks(["no-such", "outage:seconds=-1:colour=red", "load-stops:when=later"])
    for named in (
        ["'no-such'"],
        ["outage: ", "'colour'", " seconds"],
        ["outage: seconds ", "'-1'", " 0"],
        ["load-stops: when ", "'later'", " now, fault, switchover"],
    ):
        assert [all(one in told for one in named) for told in refused.value.problems].count(True) == 1


def message(identifier: int, name: bytes, rcode: int = 0, more: bytes = b"") -> bytes:
    return struct.pack("!6H", identifier, 0x8180 | rcode, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1) + more


def test_the_resolver_gives_out_what_it_knows_until_its_own_time_is_up():
    cache = Cache(keep_s=100)
    cache.put(message(7, b"\3API\0"), message(7, b"\3api\0", more=b"the answer"), now_s=0)
    assert cache.get(message(8, b"\3api\0"), now_s=99) == message(8, b"\3api\0", more=b"the answer")
    assert cache.get(message(8, b"\3api\0"), now_s=100) is None
    assert cache.get(message(8, b"\3app\0"), now_s=1) is None


def test_the_resolver_does_not_keep_a_failure():
    cache = Cache(keep_s=100)
    cache.put(message(7, b"\3api\0"), message(7, b"\3api\0", rcode=2), now_s=0)
    assert cache.get(message(7, b"\3api\0"), now_s=1) is None
