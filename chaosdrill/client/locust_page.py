"""HTTP client of Locust's web page, including its login (``--web-login``). Never imports Locust.

Credentials come from Chaos Toolkit's secrets or from the environment, are sent to the page itself only, and stay in
this process's memory. The session cookie is shared by everything in this process that talks to the same page.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from chaosdrill import history
from chaosdrill.client.page_secrets import stored_page_secret
from chaosdrill.errors import CannotSee, problem
from chaosdrill.page_guard import SECRET_HEADER

USER, PASSWORD = "CHAOSDRILL_LOCUST_USER", "CHAOSDRILL_LOCUST_PASSWORD"
HOW_TO_LOG_IN = f"give locust_user and locust_password under `secrets:` of the experiment, or set {USER} and {PASSWORD}"
MOST_READ = 64 * 2**20  # bytes of one response; the report of a long test has several megabytes
READ_WITHIN_S = 120.0  # limits a response that never ends because it arrives a byte at a time
READ_AT_ONCE = 65_536
OPEN_PAGE = (
    "it obeys every user of this machine and every web page in a browser on it: start it with --web-login, or let the "
    "drill start it (`client: {run: ssm}` or `{run: local}`)"
)
STRANGER = "http://other.invalid"
_AUTH_ARGS = "window.authArgs ="  # in the login page: the fields of its form, and the URL it is sent to


@dataclass(frozen=True)
class Credentials:
    """User and password for the login of Locust's page."""

    user: str
    password: str = field(repr=False)


def credentials_of(secrets: Mapping[str, Any] | None) -> Credentials | None:
    """Return the credentials in Chaos Toolkit's secrets (of one section or of all), else those in the environment."""
    given = secrets or {}
    for part in (given, *(one for one in given.values() if isinstance(one, Mapping))):
        if part.get("locust_user") and part.get("locust_password"):
            return Credentials(str(part["locust_user"]), str(part["locust_password"]))
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    return Credentials(user, password) if user and password else None


def problems_of_url(url: str) -> list[str]:
    """Return the problems of an address. A user or password in it would appear in every record."""
    if "@" not in urlsplit(url).netloc:
        return []
    text = f"load_generator_url holds a user or a password: write the address alone, and {HOW_TO_LOG_IN}"
    return [problem("password-in-url", text)]


class MethodNotAllowed(CannotSee):
    """HTTP 405: another version of Locust."""


class PageGuarded(CannotSee):
    """The page accepts changes only with the secret of the process that started it, and reads without it."""


class ProgramEnded(requests.ConnectionError):
    """The program that serves the page has ended."""


class ResponseTimedOut(CannotSee):
    """The page accepted the request and did not respond in time; it may still carry out the request."""


class _Login:
    """Login state of one page in this process."""

    def __init__(self) -> None:
        self.cookies = requests.cookies.RequestsCookieJar()
        self.credentials: Credentials | None = None
        self.secret = ""
        self.lock = threading.Lock()


_logins: dict[str, _Login] = {}


def give_secret(url: str, secret: str) -> None:
    """Store the secret of a page that this process starts, in memory only."""
    history.register_secret(secret)
    _logins.setdefault(url.rstrip("/"), _Login()).secret = secret


def is_open_to_strangers(url: str, timeout_s: float) -> bool:
    """Return whether a page responds to a request from another origin's web page without a login."""
    with requests.Session() as stranger, suppress(requests.RequestException):
        stranger.trust_env = False
        options: dict[str, Any] = {"timeout": timeout_s, "allow_redirects": False, "stream": True}
        with stranger.get(f"{url}/stats/requests", headers={"Origin": STRANGER}, **options) as response:
            return response.status_code == 200
    return False


def forget_logins() -> None:
    """Log out of every page: the next request needs credentials again."""
    _logins.clear()


class LocustPageClient:
    """HTTP client of the page at ``url``.

    :param credentials: credentials for its login; None: those passed for this page before.
    :param timeout_s: timeout of one request, in seconds.
    :param adapter: transport adapter; None: a direct connection from this machine.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: float = 5.0,
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._login = _logins.setdefault(self.url, _Login())
        self._login.credentials = credentials or self._login.credentials
        self._session = requests.Session()
        self._session.trust_env = False  # the client host is not reached through the environment's proxy
        self._session.cookies = self._login.cookies
        if adapter is not None:
            self._session.mount("http://", adapter)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request, logging in first if necessary.

        :param options: as those of ``requests``.
        :returns: the response, HTTP 200 or 404.
        :raises MethodNotAllowed: on HTTP 405.
        :raises PageGuarded: on HTTP 403.
        :raises CannotSee: when the page does not respond, the response is an error, or the login is refused.
        """
        what = f"{method} {self.url}{path}"
        response = self._request(method, self.url + path, **options)
        if (login := _login_page(response)) is not None:
            self._log_in(login)
            response = self._request(method, self.url + path, **options)
            if _login_page(response) is not None:
                raise self._refused("it requires the login again")
        if response.status_code == 403:
            text = f"{what}: HTTP 403: {response.text[:200].strip()}: it takes orders from the process that started it"
            raise PageGuarded(text, code="locust-page-guarded")
        if response.status_code == 405:
            raise MethodNotAllowed(f"{what}: HTTP 405", code="locust-response-unexpected")
        if response.status_code not in (200, 404):
            seen = f"HTTP {response.status_code}: {response.text[:200]}"
            raise CannotSee(f"the load generator responded to {what} with {seen}", code="locust-response-unexpected")
        return response

    def _request(self, method: str, url: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", self._timeout_s)
        if secret := self._secret():
            options["headers"] = {SECRET_HEADER: secret}
        what = f"the load generator did not respond to {method} {url}"
        try:
            with self._session.request(method, url, allow_redirects=False, stream=True, **options) as response:
                return _read(response, what)
        except requests.ReadTimeout as error:
            raise ResponseTimedOut(f"{what} within {options['timeout']:g} s", code="locust-response-late") from error
        except ProgramEnded as error:
            raise CannotSee(f"{what}: {error}", code="locust-ended") from error
        except requests.RequestException as error:
            raise CannotSee(f"{what}: {reason_of(error)}", code="locust-unreachable") from error

    def knows_secret(self) -> bool:
        """Return whether this process knows the secret of the page."""
        return bool(self._secret())

    def _secret(self) -> str:
        """Return the secret of a page that this process or this user started; it is never sent to another machine."""
        return self._login.secret or stored_page_secret(self.url)

    def _log_in(self, login_page: str) -> None:
        """Submit the form on the login page as a browser does."""
        with self._login.lock:
            if self._login.credentials is None:
                text = f"the Locust at {self.url} requires a login: {HOW_TO_LOG_IN}"
                raise CannotSee(text, code="locust-login-required")
            shown = self._request("GET", self._own(login_page))
            form = _auth_args(shown.text).get("username_password_callback")
            if not isinstance(form, str):
                raise CannotSee(
                    f"the login page {shown.url} has no form for a user and a password: "
                    "chaosdrill can log in with Locust's `username_password_callback` only",
                    code="locust-login-unsupported",
                )
            data = {"username": self._login.credentials.user, "password": self._login.credentials.password}
            answer = self._request("POST", self._own(urljoin(shown.url, form)), data=data)
            if (again := _login_page(answer)) is not None:
                told = _auth_args(self._request("GET", self._own(again)).text).get("error")
                raise self._refused(str(told) if told else "it gives no reason")
            if answer.status_code >= 400:
                raise self._refused(f"HTTP {answer.status_code}")

    def _own(self, url: str) -> str:
        """Return a URL of the page's own server as an absolute URL.

        :raises CannotSee: when it points to another server: no password is sent there.
        """
        absolute = urljoin(self.url + "/", url)
        if urlsplit(absolute)[:2] != urlsplit(self.url)[:2]:
            raise CannotSee(
                f"the login of the Locust at {self.url} leads to {absolute}: no password is sent to another server",
                code="locust-login-unsupported",
            )
        return absolute

    def _refused(self, why: str) -> CannotSee:
        assert self._login.credentials is not None
        return CannotSee(
            f"the Locust at {self.url} refuses the login of {self._login.credentials.user!r}: {why}; {HOW_TO_LOG_IN}",
            code="locust-login-refused",
        )


def _read(response: requests.Response, what: str) -> requests.Response:
    """Read a response to its end, within limits on time and size.

    :raises ResponseTimedOut: when it takes longer than :data:`READ_WITHIN_S`.
    :raises CannotSee: when it is longer than :data:`MOST_READ`.
    """
    content, give_up_s = bytearray(), time.monotonic() + READ_WITHIN_S
    for part in response.iter_content(READ_AT_ONCE):
        content += part
        if len(content) > MOST_READ:
            text = f"{what} with at most {MOST_READ:,} bytes"
            raise CannotSee(text, code="locust-response-unexpected")
        if time.monotonic() > give_up_s:
            raise ResponseTimedOut(f"{what} within {READ_WITHIN_S:g} s", code="locust-response-late")
    response._content = bytes(content)  # as requests' own tests do: there is no public API for it
    return response


def reason_of(error: requests.RequestException) -> str:
    """Return the operating system's error text, without the object names in which the HTTP libraries wrap it."""
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)
    for one in (getattr(inner, "__cause__", None), *getattr(inner, "args", ())):
        if isinstance(one, OSError):
            return one.strerror or str(one)
    return str(error)


def _login_page(response: requests.Response) -> str | None:
    """Return the login page to which the response redirects; None when it does not."""
    target = response.headers.get("Location", "")
    asked = response.status_code in (301, 302, 303, 307) and urlsplit(target).path.endswith("/login")
    return urljoin(response.url, target) if asked else None


def _auth_args(html: str) -> dict[str, Any]:
    """Return the arguments that Locust's login page passes to its script: the target of its form, and the last login's
    error.
    """
    _, found, rest = html.partition(_AUTH_ARGS)
    try:
        made = json.JSONDecoder().raw_decode(rest.strip())[0] if found else {}
    except ValueError:
        made = {}
    return made if isinstance(made, dict) else {}
