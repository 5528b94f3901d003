"""Detection of URLs that point to this machine."""

import ipaddress
import re
from urllib.parse import urlsplit

# other characters are ambiguous: a backslash ends the host for urllib3, which connects, but not for urllib.parse
_AUTHORITY = re.compile(r"[A-Za-z0-9.:\[\]-]+")


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is a loopback address, or a name reserved for one (RFC 6761)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not _AUTHORITY.fullmatch(parts.netloc):
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
