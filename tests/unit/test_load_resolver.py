"""How the lab's Locust looks names up."""

import os
import socket
import subprocess
import sys
import threading

import pytest
from dnslib import RR, DNSRecord

from chaosdrill.lab.load_generator import resolver_variables

ADDRESS = "127.0.0.1"
SILENT_S = 4.0
CLIENT = """
import sys
from gevent import socket
for lookup in range(20):
    socket.getaddrinfo("api.example.com", 80, socket.AF_INET, socket.SOCK_STREAM)
print("silence", flush=True)
sys.stdin.readline()
print(socket.getaddrinfo("api.example.com", 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
"""


class NameServer:
    """A name server that can be silent: its answers have no TTL, so that each lookup is a query."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 0))
        self.silent = threading.Event()

    def serve(self) -> None:
        while True:
            message, client = self.socket.recvfrom(2000)
            query = DNSRecord.parse(message)
            if query.q.qname == "end.":
                return
            if not self.silent.is_set():
                reply = query.reply()
                reply.add_answer(*RR.fromZone(f"{query.q.qname} 0 IN A 192.0.2.1"))
                self.socket.sendto(reply.pack(), client)


@pytest.mark.long
def test_a_name_server_that_is_silent_for_seconds_fails_no_request() -> None:
    server = NameServer()
    serving = threading.Thread(target=server.serve)
    serving.start()
    port = server.socket.getsockname()[1]
    names = {**resolver_variables(ADDRESS), "GEVENTARES_UDP_PORT": str(port)}
    try:
        with subprocess.Popen(
            [sys.executable, "-c", CLIENT], env={**os.environ, **names}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as client:
            assert client.stdout is not None
            assert client.stdin is not None
            assert client.stdout.readline() == b"silence\n"  # after quick answers, to which c-ares has adapted
            server.silent.set()
            client.stdin.write(b"\n")
            client.stdin.flush()
            threading.Timer(SILENT_S, server.silent.clear).start()
            assert client.stdout.read() == b"192.0.2.1\n"
    finally:
        server.socket.sendto(DNSRecord.question("end").pack(), server.socket.getsockname())
        serving.join()
        server.socket.close()
