"""The lab's sockets on 127.0.0.1 of the host: opened outside and passed to the lab, as a socket stays in its
network.
"""

import socket
from dataclasses import dataclass

PREFERRED = {"aws": 14566, "dns": 15353, "load": 8089}  # 8089 is Locust's own; a busy port picks another


@dataclass(frozen=True)
class HostSockets:
    """Listening sockets of the AWS endpoint, of DNS (UDP and TCP on one port) and of Locust's page."""

    aws: socket.socket
    dns_udp: socket.socket
    dns_tcp: socket.socket
    load: socket.socket

    @classmethod
    def open(cls) -> "HostSockets":
        """Open all four sockets, on the preferred ports or, where those are busy, on others."""
        dns_tcp, dns_udp = _same_port(PREFERRED["dns"])
        return cls(_tcp(PREFERRED["aws"]), dns_udp, dns_tcp, _tcp(PREFERRED["load"]))

    def fds(self) -> dict[str, int]:
        """Return the descriptors by field name."""
        return {name: getattr(self, name).fileno() for name in ("aws", "dns_udp", "dns_tcp", "load")}

    def close(self) -> None:
        """Close this process's copies."""
        for one in (self.aws, self.dns_udp, self.dns_tcp, self.load):
            one.close()


def port_of(one: socket.socket) -> int:
    """Return the port to which a socket is bound."""
    return int(one.getsockname()[1])


def _tcp(preferred: int) -> socket.socket:
    for port in (preferred, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            if port == 0:
                raise
            continue
        listener.listen(128)
        return listener
    raise AssertionError("unreachable: port 0 binds or raises")


def _same_port(preferred: int) -> tuple[socket.socket, socket.socket]:
    while True:
        tcp = _tcp(preferred)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(("127.0.0.1", port_of(tcp)))
            return tcp, udp
        except OSError:
            tcp.close()
            udp.close()
            preferred = 0
