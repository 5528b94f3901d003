"""Locust in the lab resolves through the lab's DNS and believes an answer for its TTL, no longer and no shorter."""

import json
import sys

import pytest

from chaosdrill.client.load_generator import load_generator
from chaosdrill.load.actions import start_load, stop_load
from tests.lab.conftest import SCALE
from tests.running_lab import RunningLab

WATCHED_S = 16
TTL_S = round(60 * SCALE)

# counts what leaves the client host: DNS queries and new connections to port 80
COUNT = f"""
import json, socket, time
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)); sniffer.settimeout(0.2)
queries = connections = 0
end = time.monotonic() + {WATCHED_S}
while time.monotonic() < end:
    try: packet, where = sniffer.recvfrom(2048)
    except TimeoutError: continue
    if where[2] != socket.PACKET_OUTGOING or where[1] != 0x0800: continue
    data = packet[(packet[0] & 15) * 4:]
    port = int.from_bytes(data[2:4], "big")
    queries += packet[9] == socket.IPPROTO_UDP and port == 53
    connections += packet[9] == socket.IPPROTO_TCP and port == 80 and data[13] & 0x3F == 2
print(json.dumps([queries, connections]))
"""


def test_locust_honours_the_ttl(lab: RunningLab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))  # where the secret of Locust's page is
    configuration = {"topology": str(lab.home / "lab" / "topology.yaml")}
    start_load(10, 10, "http://api.example.com", configuration=configuration)
    try:
        command = f"{sys.executable} -c '{COUNT}'"
        # the command runs with the lab's capabilities: a raw socket needs one
        seen = lab.call("client.run", command=command, timeout_s=WATCHED_S + 10)
    finally:
        stop_load(configuration=configuration)
    assert load_generator(configuration).state().state != "running"
    queries, connections = json.loads(seen["stdout"])
    assert connections > 10, seen
    # c-ares asks again a little after the TTL; a burst at expiry may be two queries
    assert WATCHED_S // (TTL_S + 2) <= queries <= 2 * (WATCHED_S / TTL_S + 1), seen
