"""A caching resolver that ignores TTLs: ``python -m chaosdrill.lab.dns.caching_resolver ADDRESS UPSTREAM SECONDS``.

It caches every response for that many seconds and returns it unchanged, including its TTL. UDP only: the responses are
small.
"""

import socket
import sys
import time

PORT = 53
UPSTREAM_WITHIN_S = 1.0
NOERROR, NXDOMAIN = 0, 3


class Cache:
    """A cache of responses.

    :param keep_s: how long a response is cached, in seconds.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._known: dict[bytes, tuple[float, bytes]] = {}

    def get(self, query: bytes, now_s: float) -> bytes | None:
        """Return the cached reply to a query; None when there is none, or it has expired."""
        until_s, reply = self._known.get(_question(query), (0.0, b""))
        return query[:2] + reply[2:] if now_s < until_s else None  # the first two bytes identify the query

    def put(self, query: bytes, reply: bytes, now_s: float) -> None:
        """Cache a reply, unless it is a temporary error."""
        if len(reply) > 3 and reply[3] & 0xF in (NOERROR, NXDOMAIN):
            self._known[_question(query)] = (now_s + self._keep_s, reply)


def _question(query: bytes) -> bytes:
    end = query.find(b"\0", 12)  # the name's root label; type and class follow (RFC 1035, 4.1.2)
    return query[12 : end + 5].lower()


def serve(address: str, upstream: str, keep_s: float) -> None:
    """Serve at an address until this process is ended."""
    cache = Cache(keep_s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind((address, PORT))
        while True:
            query, asker = here.recvfrom(4096)
            reply = cache.get(query, time.monotonic())
            if reply is None and (reply := _ask(upstream, query)) is not None:
                cache.put(query, reply, time.monotonic())
            if reply is not None:
                here.sendto(reply, asker)


def _ask(upstream: str, query: bytes) -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.settimeout(UPSTREAM_WITHIN_S)
        try:
            there.sendto(query, (upstream, PORT))
            return there.recv(4096)
        except OSError:
            return None  # the client retries


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m chaosdrill.lab.dns.caching_resolver ADDRESS UPSTREAM SECONDS")
    serve(sys.argv[1], sys.argv[2], float(sys.argv[3]))
