"""The destination of requests."""

import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class BeatTarget:
    """A host and the parameters of its connections.

    :param authority: the value of the Host header.
    :param base: the prefix of every path.
    """

    tls: bool
    host: str
    port: int
    authority: str
    base: str


def target_of(url: str) -> BeatTarget:
    """Parse a URL.

    :raises ValueError: with its problem.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it begins neither with http:// nor with https://")
    if not parts.hostname or not parts.hostname.isascii() or any(one.isspace() for one in url):
        raise ValueError("it names no host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("it has more than a host, a port and a path")
    tls = parts.scheme == "https"
    port = parts.port if parts.port is not None else (443 if tls else 80)
    return BeatTarget(tls, parts.hostname, port, parts.netloc, parts.path.rstrip("/"))
