"""DNS messages: queries for a name's IPv4 addresses, and their answers. No input or output.

:source: RFC 1035 (messages), RFC 2181 section 8 (TTL)
"""

import socket
import struct
from dataclasses import dataclass

_A, _CNAME, _INTERNET = 1, 5, 1
_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_QR, _TC, _RD = 0x8000, 0x0200, 0x0100
RCODES = {1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused"}


class BadMessage(Exception):
    """An invalid DNS message, or not the expected one."""


@dataclass(frozen=True)
class DnsAnswer:
    """The contents of an answer.

    :param addresses: in its order.
    :param ttl_s: the shortest TTL of the records that led to them, in seconds.
    :param trouble: ``nxdomain``, ``servfail``, ...; ``no-address`` when there is none; empty: there are addresses.
    :param truncated: whether the query must be repeated over TCP.
    """

    addresses: tuple[str, ...]
    ttl_s: int
    trouble: str
    truncated: bool


def question(name: str, identifier: int) -> bytes:
    """Return a query for the addresses of ``name``.

    :raises BadMessage: when it is not a valid name.
    """
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise BadMessage(f"{name!r} is no name")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(identifier, _RD, 1, 0, 0, 0) + encoded + struct.pack(">HH", _A, _INTERNET)


def answer(message: bytes, asked: bytes) -> DnsAnswer:
    """Parse the answer ``message`` to the query ``asked``.

    :raises BadMessage: when it does not answer it.
    """
    try:
        return _answer(message, asked)
    except (struct.error, IndexError) as error:
        raise BadMessage("it ends too early") from error


def _answer(message: bytes, asked: bytes) -> DnsAnswer:
    _, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if not flags & _QR or message[:2] != asked[:2]:
        raise BadMessage("it is the response to another question")
    if questions != 1 and not flags & 0x000F:
        raise BadMessage("it repeats no question")
    if questions and message[12 : len(asked)].lower() != asked[12:].lower():
        raise BadMessage("it is the response to another question")
    addresses, ttls = _addresses(message, len(asked) if questions else 12, answers)
    rcode = flags & 0x000F
    trouble = RCODES.get(rcode, f"rcode-{rcode}") if rcode else ("" if addresses else "no-address")
    return DnsAnswer(tuple(addresses), min(ttls, default=0), trouble, bool(flags & _TC))


def _addresses(message: bytes, at: int, records: int) -> tuple[list[str], list[int]]:
    """Return the addresses, and every TTL on the way to them."""
    addresses, ttls = [], []
    for _ in range(records):
        at = _after_name(message, at)
        kind, family, ttl_s, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if kind in (_A, _CNAME) and family == _INTERNET:
            ttls.append(ttl_s if ttl_s < 2**31 else 0)
        if kind == _A and family == _INTERNET:
            if length != 4 or len(message) < at + 4:
                raise BadMessage("an address is cut off")
            addresses.append(socket.inet_ntoa(message[at : at + 4]))
        at += length
    return addresses, ttls


def _after_name(message: bytes, at: int) -> int:
    while size := message[at]:
        if size >= 0xC0:
            return at + 2
        at += size + 1
    return at + 1
