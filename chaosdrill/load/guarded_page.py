"""Locust's page with access control, if the process that starts Locust gives it a secret: see
:mod:`chaosdrill.page_guard`.

``GET /chaosdrill/enter?key=…`` admits a browser, once for each key; ``POST /chaosdrill/new-key`` creates a key, for the
process that started Locust only. Runs inside Locust only.
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from chaosdrill.page_guard import ENTER, NEW_KEY, PAGE_HEADERS, PageGuard, PageRequest

# The contents of Locust's page, and the plugin's figures. Not its log, nor the rows of requests: those may contain
# anything.
READABLE = frozenset(
    {
        "/",
        "/favicon.ico",
        "/login",
        "/tasks",
        "/worker-count",
        "/exceptions",
        "/exceptions/csv",
        "/stats/report",
        "/stats/requests",
        "/stats/requests/csv",
        "/stats/requests_full_history/csv",
        "/stats/failures/csv",
        "/chaosdrill/clock",
        "/chaosdrill/timeline",
        "/chaosdrill/window",
        ENTER,
    }
)
ONLY_READS = "chaosdrill.only_reads"  # in the environment of a request that does not come from Locust's starter
Headers = list[tuple[str, str]]


class GuardedPage:
    """A WSGI application in front of Locust's own.

    :param app: Locust's.
    :param base: the path of Locust's page, without a slash at its end; empty: the root.
    """

    def __init__(self, app: Any, secret: str, base: str) -> None:
        self._app, self._base = app, base
        self._guard = PageGuard(secret, self._is_readable)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Respond to a request, or refuse it."""
        request = request_of(environ)
        if refusal := self._guard.refusal(request):
            return _respond(start_response, "403 Forbidden", "" if request.method == "HEAD" else f"{refusal}\n")
        if (request.method, request.path) == ("GET", self._base + ENTER):
            return self._enter(request, environ, start_response)
        if (request.method, request.path) == ("POST", self._base + NEW_KEY) and self._guard.is_starter(request):
            return _respond(start_response, "200 OK", json.dumps({"path": f"{ENTER}?key={self._guard.new_key()}"}))

        environ[ONLY_READS] = not self._guard.is_starter(request)

        def start(status: str, headers: Headers, *rest: Any) -> Any:
            own = [one for one in headers if not one[0].lower().startswith("access-control-")]
            return start_response(status, [*own, *PAGE_HEADERS], *rest)

        found: Iterable[bytes] = self._app(environ, start)
        return found

    def _enter(self, request: PageRequest, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        cookie = self._guard.new_cookie(parse_qs(environ.get("QUERY_STRING", "")).get("key", [""])[0])
        if not cookie and not self._guard.has_cookie(request):
            text = "this URL was opened before, or is not of this page: start_load prints a new one\n"
            return _respond(start_response, "403 Forbidden", text)
        sets = [("Set-Cookie", cookie)] if cookie else []
        return _respond(start_response, "303 See Other", "", [("Location", f"{self._base}/"), *sets])

    def _is_readable(self, path: str) -> bool:
        inner = path.removeprefix(self._base)
        return inner in READABLE or inner.startswith("/assets/") or inner == ""


def request_of(environ: dict[str, Any]) -> PageRequest:
    """Return the parts of a WSGI request that a guard checks."""
    names = {name: name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
    return PageRequest(
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        {header: str(environ[name]) for name, header in names.items()},
    )


def _respond(start_response: Any, status: str, text: str, headers: Headers | None = None) -> Iterable[bytes]:
    content = text.encode()
    kind = "application/json" if text.startswith("{") else "text/plain; charset=utf-8"
    own = [("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
    start_response(status, [*own, *PAGE_HEADERS, *(headers or [])])
    return [content]
