"""DNS server over UDP and TCP, on sockets that may belong to another network namespace.

:source: RFC 1035 (messages), RFC 7766 (TCP), RFC 6891 (EDNS), RFC 8914 (extended errors)
"""

import logging
import random
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from typing import Any

from dnslib import EDNS0, QTYPE, RCODE, RR, DNSError, DNSHeader, DNSRecord, EDNSOption

from chaosdrill.lab.connection_limit import Strangers
from chaosdrill.lab.dns.zone import RecordSet, ZoneAnswer

logger = logging.getLogger("chaosdrill.lab.dns")
SMALLEST_UDP, LARGEST_UDP = 512, 1232
IDLE_TCP_S = 30.0
MOST_TCP = 64  # concurrent connections; RFC 7766, 6.2.2
STRANGERS = Strangers(MOST_TCP)
QUERY, INTERNET = 0, 1
EXPLANATION, OTHER_ERROR = 15, 0  # RFC 8914
Lookup = Callable[[str, str, str], ZoneAnswer]


def reply_to(message: bytes, source: str, lookup: Lookup, limit: int | None) -> bytes | None:
    """Return the reply to a DNS message.

    :param source: the address that sent it.
    :param lookup: function of name, type and source that returns the zones' answer.
    :param limit: bytes that fit without EDNS (UDP), or None (TCP).
    :returns: the reply; None when the message must not be replied to.
    """
    try:
        query = DNSRecord.parse(message)
    except (DNSError, struct.error, UnicodeError, IndexError):
        return _format_error(message)
    if query.header.qr:
        return None
    reply = query.reply(ra=0, aa=1)
    edns = next((extra for extra in query.ar if extra.rtype == QTYPE.OPT), None)
    why = ""
    try:
        why = _fill(reply, query, source, lookup)
    except Exception:  # the server's boundary: one invalid record set must not stop it
        logger.exception("no response to %s", query.questions)
        reply = query.reply(ra=0, aa=1)
        reply.header.rcode = RCODE.SERVFAIL
    if edns is not None:
        reply.add_ar(EDNS0(udp_len=LARGEST_UDP, opts=_explanation(why)))
    packed: bytes = reply.pack()
    if limit is not None and len(packed) > max(limit, min(edns.rclass if edns else 0, LARGEST_UDP)):
        packed = _cut(reply).pack()
    return packed


def _explanation(why: str) -> list[EDNSOption]:
    return [EDNSOption(EXPLANATION, struct.pack("!H", OTHER_ERROR) + why.encode())] if why else []


def _fill(reply: DNSRecord, query: DNSRecord, source: str, lookup: Lookup) -> str:
    """Fill in the reply to a query.

    :returns: the explanation to send with it; empty: none.
    """
    if query.header.opcode != QUERY:
        reply.header.rcode = RCODE.NOTIMP
    elif len(query.questions) != 1:
        reply.header.rcode = RCODE.FORMERR
    elif query.q.qclass != INTERNET:
        reply.header.rcode = RCODE.REFUSED
    else:
        answer = lookup(str(query.q.qname), _type_name(query.q.qtype), source)
        reply.header.rcode = getattr(RCODE, answer.rcode)
        reply.header.aa = int(answer.rcode != "REFUSED")
        for record in answer.records:
            owner = query.q.qname if str(query.q.qname).lower() == record.name else record.name
            reply.add_answer(*_rotated(_resource_records(owner, record)))
        for record in answer.authority:
            reply.add_auth(*_resource_records(record.name, record))
        return answer.why
    return ""


def _type_name(number: int) -> str:
    name: str = QTYPE.forward.get(number, f"TYPE{number}")
    return name


def _resource_records(owner: Any, record: RecordSet) -> list[RR]:
    lines = [f"x. {record.ttl_s} IN {record.type} {value}" for value in record.values]
    records = [rr for line in lines for rr in RR.fromZone(line)]
    for rr in records:
        rr.set_rname(owner)
    return records


def _rotated(records: list[RR]) -> list[RR]:
    """Return the records with a random one first, like Route 53: many clients use only the first."""
    first = random.randrange(len(records)) if records else 0
    return records[first:] + records[:first]


def _cut(reply: DNSRecord) -> DNSRecord:
    """Truncate a reply by removing its records, so that the client retries over TCP."""
    reply.rr, reply.auth = [], []
    reply.header.tc = 1
    return reply


def _format_error(message: bytes) -> bytes | None:
    if len(message) < 12 or message[2] & 0x80:
        return None
    identifier = struct.unpack("!H", message[:2])[0]
    packed: bytes = DNSRecord(DNSHeader(id=identifier, qr=1, aa=0, ra=0, rcode=RCODE.FORMERR)).pack()
    return packed


class _Udp(socketserver.UDPServer):
    max_packet_size = 4096
    lookup: Lookup


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        message, endpoint = self.request
        reply = reply_to(message, self.client_address[0], self.server.lookup, SMALLEST_UDP)
        if reply is not None:
            endpoint.sendto(reply, self.client_address)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    lookup: Lookup


class _TcpHandler(socketserver.StreamRequestHandler):
    server: _Tcp
    timeout = IDLE_TCP_S

    def setup(self) -> None:
        super().setup()
        STRANGERS.add(self.connection)

    def finish(self) -> None:
        STRANGERS.remove(self.connection)
        super().finish()

    def handle(self) -> None:
        try:
            while len(size := self.rfile.read(2)) == 2:
                message = self.rfile.read(struct.unpack("!H", size)[0])
                reply = reply_to(message, self.client_address[0], self.server.lookup, None)
                if reply is None:
                    return
                self.wfile.write(struct.pack("!H", len(reply)) + reply)
        except (TimeoutError, ConnectionError):
            return  # the client has disconnected or is idle


class NameServer:
    """A DNS server on a pair of sockets, UDP and TCP.

    :param lookup: function of name, type and source address that returns the zones' answer.
    """

    def __init__(self, lookup: Lookup, udp: socket.socket, tcp: socket.socket) -> None:
        self._servers = [_on(_Udp, _UdpHandler, udp, lookup), _on(_Tcp, _TcpHandler, tcp, lookup)]

    def start(self) -> None:
        """Start to serve."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name=type(server).__name__, daemon=True).start()


def _on(server_class: Any, handler: Any, sock: socket.socket, lookup: Lookup) -> Any:
    server = server_class(sock.getsockname(), handler, bind_and_activate=False)
    server.socket.close()  # the one that it created itself
    server.socket = sock
    server.lookup = lookup
    return server


def bound(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a bound UDP socket and a listening TCP socket at that address."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp = socket.create_server((address, port))
    return udp, tcp
