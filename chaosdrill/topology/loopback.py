"""Whether a URL leads to this machine."""

import ipaddress
import re
from urllib.parse import urlsplit

# others are read in two ways: to urllib3, which connects, a backslash ends the host, to urllib.parse it does not
_AUTHORITY = re.compile(r"[A-Za-z0-9.:\[\]-]+")


def is_loopback(url: str) -> bool:
    """:returns: whether the URL's host is a loopback address, or a name that is kept for one (RFC 6761)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not _AUTHORITY.fullmatch(parts.netloc):
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
