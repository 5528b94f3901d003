"""Access control of the pages that a drill serves on 127.0.0.1: Locust's and the heartbeat's. Standard library only.

Every user of the machine can reach a port of 127.0.0.1, and so can every web page in a browser on it. Therefore:

- A request must name this machine as its ``Host``: another name that resolves to it (DNS rebinding) is refused.
- A request from a page of another origin, according to its ``Origin`` or ``Sec-Fetch-Site``, is refused.
- Without the secret or the cookie a request may only read, and only the paths that the page lists as readable.

The process that serves the page gets the secret in its environment from the process that starts it, which sends it as a
header. A person opens a URL that works once and sets the cookie. This module is part of the zipapps for the client
host.

:source: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
"""

import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

SECRET_VARIABLE = "CHAOSDRILL_PAGE_SECRET"
SECRET_HEADER = "X-Chaosdrill-Secret"
ENTER, NEW_KEY = "/chaosdrill/enter", "/chaosdrill/new-key"  # paths of Locust's page
OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
READING = ("GET", "HEAD")
MOST_KEYS = 1_000  # limit of URLs that were issued and not opened
PAGE_HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)
HOW_TO_USE = "without the URL that the drill prints once, this page can only be read"

_secret = ""


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def take_secret() -> str:
    """Take this process's secret out of its environment, so that no program that it starts inherits it.

    :returns: the secret, also at later calls; empty: this process was started without one.
    """
    global _secret
    _secret = os.environ.pop(SECRET_VARIABLE, "") or _secret
    return _secret


@dataclass(frozen=True)
class PageRequest:
    """The parts of a request that a guard checks.

    :param headers: by name in lower case; a name that was sent twice has both values, with a comma between them.
    """

    method: str
    path: str
    headers: Mapping[str, str]


class PageGuard:
    """The access rules of one page.

    :param secret: of the process that started it; empty: there is none, and all requests may only read.
    :param readable: whether requests without the secret may read the resource at a path.
    """

    def __init__(self, secret: str, readable: Callable[[str], bool]) -> None:
        self._secret, self._readable = secret, readable
        self._keys: set[str] = set()
        self._cookies: set[str] = set()
        # cookies are shared by all ports of a host: each page needs its own name
        self._cookie_name = f"chaosdrill-{secrets.token_hex(4)}"

    def refusal(self, request: PageRequest) -> str:
        """Return why a request is refused; empty if it is allowed."""
        if _host_of(f"//{request.headers.get('host', '')}") not in OWN_HOSTS:
            return "the Host of the request is not this machine: open the page as http://127.0.0.1:PORT or localhost"
        reads = request.method in READING and self._readable(request.path)
        if _is_foreign(request, reads):
            return "the request comes from a page of another origin"
        if reads or self.is_starter(request) or self.has_cookie(request):
            return ""
        return HOW_TO_USE

    def is_starter(self, request: PageRequest) -> bool:
        """Return whether a request comes from the process that started this one."""
        return bool(self._secret) and _equal(request.headers.get(SECRET_HEADER.lower(), ""), self._secret)

    def has_cookie(self, request: PageRequest) -> bool:
        """Return whether a request comes from a browser that has opened a URL of :meth:`new_key`."""
        pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
        sent = [value for name, _, value in pairs if name == self._cookie_name]
        return any(_equal(value, cookie) for value in sent for cookie in tuple(self._cookies))

    def new_key(self) -> str:
        """Return a key for a URL that can be opened once."""
        if len(self._keys) >= MOST_KEYS:
            self._keys.pop()
        self._keys.add(key := new_secret())
        return key

    def new_cookie(self, key: str) -> str:
        """Exchange a key for a cookie. The key cannot be used again.

        :returns: the value of ``Set-Cookie`` for the browser that sent the key; empty: the key was used, or never
            existed.
        """
        if key not in self._keys:
            return ""
        self._keys.discard(key)
        self._cookies.add(cookie := new_secret())
        return f"{self._cookie_name}={cookie}; Path=/; HttpOnly; SameSite=Strict"


def _is_foreign(request: PageRequest, reads: bool) -> bool:
    """Return whether a page of another origin makes a request. A link from such a page to a readable path is
    allowed.
    """
    if (origin := request.headers.get("origin")) is not None:
        return origin != f"http://{request.headers['host']}"
    if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return not (reads and request.headers.get("sec-fetch-mode") == "navigate")


def _host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if "@" not in parts.netloc and not parts.path else None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())
