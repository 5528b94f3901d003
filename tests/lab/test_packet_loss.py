"""Packet loss in the running lab's client host: which packets, how many, and its end."""

import json
import os
import signal
import subprocess

import pytest

from chaosdrill.errors import LabError
from tests.running_lab import RunningLab
from tests.waiting import LONG_S

TOKYO = ["10.100.5.165", "10.100.9.84"]
OSAKA = "10.101.4.37"

# opens N connections to each address and prints how many failed within 0.15 s: a lost SYN or SYN-ACK costs 1 s
CONNECT = """
import json, socket, sys
failed = {}
for address in sys.argv[2:]:
    failed[address] = 0
    for _ in range(int(sys.argv[1])):
        s = socket.socket(); s.settimeout(0.15)
        try: s.connect((address, 80))
        except TimeoutError: failed[address] += 1
        finally: s.close()
print(json.dumps(failed))
"""

# prints how many tries to connect fail until one succeeds
RECOVERED = """
import socket, sys
lost = 0
while True:
    s = socket.socket(); s.settimeout(0.1)
    try: s.connect((sys.argv[1], 80)); break
    except TimeoutError: lost += 1
    finally: s.close()
print(lost)
"""


def failed(lab: RunningLab, tries: int, *addresses: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(lab.on_client("python", "-c", CONNECT, str(tries), *addresses).stdout)
    return found


@pytest.fixture(autouse=True)
def healed(lab: RunningLab):
    yield
    for fault in ("half", "all", "net", "out"):
        lab.call("packet_loss.heal", id=fault)


def inject(lab: RunningLab, name: str, percent: float, sources: list[str], traffic: str, seconds: float) -> None:
    lab.call("packet_loss.inject", id=name, percent=percent, sources=sources, traffic_type=traffic, duration_s=seconds)


def test_loses_about_that_share_of_the_packets_of_the_sources_only(lab):
    before = lab.call("packet_loss.status")["dropped_packets"]
    inject(lab, "half", 30, TOKYO, "ingress", 60)
    lost = failed(lab, 60, TOKYO[0], TOKYO[1], OSAKA)
    # each connection needs one packet (the SYN-ACK) from the server: 120 of 30 %; 4 standard deviations are 20
    assert 16 <= lost[TOKYO[0]] + lost[TOKYO[1]] <= 56
    assert lost[OSAKA] == 0
    assert lab.call("packet_loss.status")["dropped_packets"] >= before + lost[TOKYO[0]] + lost[TOKYO[1]]


@pytest.mark.parametrize(("sources", "traffic"), [(["10.100.0.0/16"], "ingress"), (TOKYO, "egress")])
def test_networks_and_the_other_direction(lab, sources, traffic):
    inject(lab, "net", 100, sources, traffic, 60)
    assert failed(lab, 2, *TOKYO, OSAKA) == {TOKYO[0]: 2, TOKYO[1]: 2, OSAKA: 0}


def test_healing_ends_it_at_once_and_healing_twice_is_nothing(lab):
    inject(lab, "all", 100, TOKYO, "ingress", 60)
    assert lab.call("packet_loss.status")["active"]
    lab.call("packet_loss.heal", id="all")
    lab.call("packet_loss.heal", id="all")
    assert lab.call("packet_loss.status")["active"] == {}
    assert failed(lab, 3, *TOKYO) == {TOKYO[0]: 0, TOKYO[1]: 0}


def test_two_faults_end_each_for_itself(lab):
    inject(lab, "half", 100, TOKYO[:1], "ingress", 60)
    inject(lab, "all", 100, TOKYO[1:], "ingress", 60)
    lab.call("packet_loss.heal", id="half")
    assert failed(lab, 2, *TOKYO) == {TOKYO[0]: 0, TOKYO[1]: 2}


def test_the_kernel_ends_it_while_the_labs_first_process_is_stopped(lab):
    pid = lab.supervisor_pid()
    recover = lab.entering("python", "-c", RECOVERED, TOKYO[0])
    inject(lab, "all", 100, TOKYO, "ingress", 5)
    os.kill(pid, signal.SIGSTOP)
    try:
        lost = int(subprocess.run(**recover, capture_output=True, text=True, check=True, timeout=LONG_S).stdout)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert lost > 0


def test_what_makes_no_sense_is_refused_with_every_reason(lab):
    with pytest.raises(LabError) as refused:
        inject(lab, "no such name", 0, [], "sideways", 0)
    for reason in ("name", "percent", "sideways", "duration", "sources"):
        assert reason in str(refused.value)
