"""Locust's web page: HTTP to it, behind its login if it has one (``--web-login``). Never imports Locust.

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
from chaosdrill.client.page_secrets import kept_page_secret
from chaosdrill.errors import CannotSee, problem
from chaosdrill.page_guard import SECRET_HEADER

USER, PASSWORD = "CHAOSDRILL_LOCUST_USER", "CHAOSDRILL_LOCUST_PASSWORD"
HOW_TO_LOG_IN = f"give locust_user and locust_password under `secrets:` of the experiment, or set {USER} and {PASSWORD}"
MOST_READ = 64 * 2**20  # bytes of one response; the report of a long test has some
READ_WITHIN_S = 120.0  # a response that keeps coming, a byte at a time, ends nowhere
READ_AT_ONCE = 65_536
OPEN_PAGE = (
    "it obeys every user of this machine and every web page in a browser on it: start it with --web-login, or let the "
    "drill start it (`client: {run: ssm}` or `{run: local}`)"
)
STRANGER = "http://other.invalid"
_AUTH_ARGS = "window.authArgs ="  # in the login page: what its form sends, and where to


@dataclass(frozen=True)
class Credentials:
    """Who logs in to Locust's page."""

    user: str
    password: str = field(repr=False)


def credentials_of(secrets: Mapping[str, Any] | None) -> Credentials | None:
    """:returns: those in Chaos Toolkit's secrets (of a section, or all sections), else the environment's."""
    given = secrets or {}
    for part in (given, *(one for one in given.values() if isinstance(one, Mapping))):
        if part.get("locust_user") and part.get("locust_password"):
            return Credentials(str(part["locust_user"]), str(part["locust_password"]))
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    return Credentials(user, password) if user and password else None


def problems_of_url(url: str) -> list[str]:
    """:returns: what is wrong with an address: a user or a password in it would be written down everywhere."""
    if "@" not in urlsplit(url).netloc:
        return []
    text = f"load_generator_url holds a user or a password: write the address alone, and {HOW_TO_LOG_IN}"
    return [problem("password-in-url", text)]


class MethodNotAllowed(CannotSee):
    """HTTP 405: another version of Locust."""


class PageGuarded(CannotSee):
    """The page obeys another process only; without its secret it can be read."""


class ProgramEnded(requests.ConnectionError):
    """The program that serves the page has ended."""


class ResponseTimedOut(CannotSee):
    """The page took the request and did not respond in time: it may still do what was requested."""


class _Login:
    """What this process knows of one page's login."""

    def __init__(self) -> None:
        self.cookies = requests.cookies.RequestsCookieJar()
        self.credentials: Credentials | None = None
        self.secret = ""
        self.lock = threading.Lock()


_logins: dict[str, _Login] = {}


def give_secret(url: str, secret: str) -> None:
    """Let this process use the page of a Locust that it starts; kept in memory only."""
    history.keep_secret(secret)
    _logins.setdefault(url.rstrip("/"), _Login()).secret = secret


def is_open_to_strangers(url: str, timeout_s: float) -> bool:
    """:returns: whether a page responds to what a web page of another origin requests, without any login."""
    with requests.Session() as stranger, suppress(requests.RequestException):
        stranger.trust_env = False
        options: dict[str, Any] = {"timeout": timeout_s, "allow_redirects": False, "stream": True}
        with stranger.get(f"{url}/stats/requests", headers={"Origin": STRANGER}, **options) as response:
            return response.status_code == 200
    return False


def forget_logins() -> None:
    """Log out everywhere: the next answer needs credentials again."""
    _logins.clear()


class Page:
    """The page at ``url``.

    :param credentials: for its login; None: those that were given for this page before.
    :param timeout_s: how long one answer may take, in seconds.
    :param adapter: how it is reached; None: over the network from here.
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
        self._session.trust_env = False  # a proxy from the environment does not lead to the client host
        self._session.cookies = self._login.cookies
        if adapter is not None:
            self._session.mount("http://", adapter)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """:returns: the answer, HTTP 200 or 404; a login is done on the way.

        :param options: as those of ``requests``.
        :raises MethodNotAllowed: on HTTP 405.
        :raises CannotSee: when nobody answers, the answer is an error, or the login is refused.
        """
        what = f"{method} {self.url}{path}"
        response = self._request(method, self.url + path, **options)
        if (login := _login_page(response)) is not None:
            self._log_in(login)
            response = self._request(method, self.url + path, **options)
            if _login_page(response) is not None:
                raise self._refused("it asks for the login again")
        if response.status_code == 403:
            text = f"{what}: HTTP 403: {response.text[:200].strip()}: it takes orders from the process that started it"
            raise PageGuarded(text, code="locust-page-guarded")
        if response.status_code == 405:
            raise MethodNotAllowed(f"{what}: HTTP 405", code="locust-response-unexpected")
        if response.status_code not in (200, 404):
            seen = f"HTTP {response.status_code}: {response.text[:200]}"
            raise CannotSee(f"the load generator answered {what} with {seen}", code="locust-response-unexpected")
        return response

    def _request(self, method: str, url: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", self._timeout_s)
        if secret := self._secret():
            options["headers"] = {SECRET_HEADER: secret}
        what = f"the load generator did not answer {method} {url}"
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
        """:returns: whether this process knows the secret of the page."""
        return bool(self._secret())

    def _secret(self) -> str:
        """That of a page of this process, else of one that this user has started; never sent to other machines."""
        return self._login.secret or kept_page_secret(self.url)

    def _log_in(self, login_page: str) -> None:
        """Do what a browser does with the form on the login page."""
        with self._login.lock:
            if self._login.credentials is None:
                text = f"the Locust at {self.url} asks for a login: {HOW_TO_LOG_IN}"
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
        """:raises CannotSee: when the URL leads to another server: no password is sent there."""
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
    """Read a response to its end, as far as one of Locust can be that long.

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
    response._content = bytes(content)  # as requests' own tests do: there is no public way
    return response


def reason_of(error: requests.RequestException) -> str:
    """:returns: what the operating system said; the libraries on the way wrap it in the names of their objects."""
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)
    for one in (getattr(inner, "__cause__", None), *getattr(inner, "args", ())):
        if isinstance(one, OSError):
            return one.strerror or str(one)
    return str(error)


def _login_page(response: requests.Response) -> str | None:
    """:returns: where the answer sends a client that is not logged in; None when it does not."""
    target = response.headers.get("Location", "")
    asked = response.status_code in (301, 302, 303, 307) and urlsplit(target).path.endswith("/login")
    return urljoin(response.url, target) if asked else None


def _auth_args(html: str) -> dict[str, Any]:
    """What Locust's login page hands to its script: where its form leads, and what went wrong the last time."""
    _, found, rest = html.partition(_AUTH_ARGS)
    try:
        made = json.JSONDecoder().raw_decode(rest.strip())[0] if found else {}
    except ValueError:
        made = {}
    return made if isinstance(made, dict) else {}
