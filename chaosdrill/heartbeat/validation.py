"""A reader of a configuration's JSON values that collects every problem, each with its fix."""

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from typing import Any

from chaosdrill.heartbeat.target import BeatTarget, target_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[!-~]*")
LONGEST_ACCOUNT = 256


class Checker:
    """One object of the configuration. Each reader takes a name, and returns a valid value even after a problem."""

    def __init__(self, raw: Mapping[str, Any], prefix: str = "", problems: list[str] | None = None) -> None:
        self.problems = [] if problems is None else problems
        self._raw = raw
        self._prefix = prefix
        self._known: set[str] = set()
        self._wrong: set[str] = set()

    def add(self, name: str, why: str, fix: str) -> None:
        """Add a problem."""
        self._wrong.add(name)
        self.problems.append(f"{self._prefix}{name}: {why}: {fix}")

    def problem_with(self, name: str) -> bool:
        """Return whether a problem was found there."""
        return name in self._wrong

    def given(self, name: str) -> bool:
        """Return whether the value is anything but null."""
        self._known.add(name)
        return self._raw.get(name) is not None

    def no_others(self) -> None:
        """Report each name that no reader has read."""
        for name in sorted({*self._raw} - self._known):
            self.add(name, "is not known", f"known: {', '.join(sorted(self._known))}")

    def part(self, name: str, known: set[str]) -> "Checker":
        """Return the object of that name, which may have the names in ``known``."""
        value = self._raw.get(name) if self.given(name) else None
        if not isinstance(value, dict):
            why = "is missing" if value is None else f"is {value!r}"
            self.add(name, why, 'write an object such as {"method": "GET", "path": "/health"}')
            return Checker({"method": "GET", "path": "/"})  # its problems are not reported
        made = Checker(value, f"{self._prefix}{name}.", self.problems)
        made._known = known
        made.no_others()
        return made

    def text(self, name: str, default: str | None = None) -> str:
        """Read a text that is not empty, without line breaks."""
        if not self.given(name):
            if default is None:
                self.add(name, "is missing", "write a text")
            return default or ""
        value = self._raw[name]
        if not isinstance(value, str) or not value.isprintable() or not value:
            self.add(name, f"is {value!r}", "write a text of printable characters")
            return ""
        return value

    def texts(self, name: str, required: bool = False) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self._raw[name] if self.given(name) else []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or (required and not value):
            self.add(name, f"is {value!r}", 'write a list of texts such as ["done"]')
            return ()
        return tuple(value)

    def number(self, name: str, least: float, most: float, default: float) -> float:
        """Read a number in that range."""
        value = self._raw[name] if self.given(name) else default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.add(name, f"is {value!r}", f"write a number from {least:g} to {most:g}")
            return default
        return float(value) if math.isfinite(value) else default

    def descriptor(self, name: str) -> int | None:
        """Read an open file descriptor."""
        if not self.given(name):
            return None
        value = self._raw[name]
        try:
            if isinstance(value, bool) or not isinstance(value, int):
                raise OSError("it is not a number")
            os.fstat(value)
        except (OSError, OverflowError) as error:
            self.add(name, f"is {value!r}, which is not open here ({error})", "hand on the descriptor, or write null")
            return None
        return value

    def url(self, name: str) -> BeatTarget:
        """Read the URL for the requests."""
        text = self.text(name)
        try:
            return target_of(text)
        except ValueError as error:
            if not self.problem_with(name):
                self.add(name, f"is {text!r} ({error})", "write a URL such as http://api.example.com")
            return target_of("http://127.0.0.1")

    def nameserver(self, name: str) -> tuple[str, int] | None:
        """Read an address and a port."""
        if not self.given(name):
            return None
        value = self._raw[name]
        try:
            host, _, port = str(value).rpartition(":")
            address = ipaddress.ip_address(host.strip("[]"))
            if not 1 <= int(port) <= 65535:
                raise ValueError(port)
        except ValueError:
            self.add(name, f"is {value!r}", "write IP:port such as 10.0.0.2:53, or null for those of /etc/resolv.conf")
            return None
        return str(address), int(port)

    def method(self, name: str) -> str:
        """Read an HTTP method."""
        value = self.text(name)
        if value not in METHODS and not self.problem_with(name):
            self.add(name, f"is {value!r}", f"write one of {', '.join(METHODS)}")
        return value

    def path(self, name: str) -> str:
        """Read a path, perhaps with {words}."""
        value = self.text(name)
        if not _PATH.fullmatch(value) and not self.problem_with(name):
            self.add(name, f"is {value!r}", "write a path that begins with /, such as /balance")
        return value

    def headers(self, name: str) -> dict[str, str]:
        """Read a mapping of headers to texts."""
        value = self._raw[name] if self.given(name) else {}
        if not isinstance(value, dict):
            self.add(name, f"is {value!r}", 'write an object such as {"X_ACCOUNT_ID": "{account}"}')
            return {}
        for header, text in value.items():
            if not _HEADER.fullmatch(header) or not isinstance(text, str) or not text.isprintable():
                self.add(name, f"has {header!r}", "write a header's name and a text of printable characters")
        return value

    def statuses(self, name: str, default: list[int]) -> frozenset[int]:
        """Read HTTP statuses."""
        value = self._raw[name] if self.given(name) else default
        if not isinstance(value, list) or not value or not all(type(one) is int and 100 <= one <= 599 for one in value):
            self.add(name, f"is {value!r}", "write a list of HTTP statuses such as [200]")
            return frozenset(default)
        return frozenset(value)

    def body(self, name: str) -> Any:
        """Read the value that is sent as JSON; None: nothing."""
        value = self._raw.get(name)
        if value is not None and not isinstance(value, dict):
            self.add(name, f"is {value!r}", 'write an object such as {"quantity": "{quantity}"}')
            return None
        return value

    def accounts(self, name: str) -> tuple[str, ...]:
        """Read names of accounts, all different."""
        value = self._raw[name] if self.given(name) else []
        fit = isinstance(value, list) and all(
            isinstance(one, str) and one.isascii() and one.isprintable() and 0 < len(one) <= LONGEST_ACCOUNT
            for one in value
        )
        if not fit or len({*value}) != len(value):
            self.add(name, "are not usable", f"write a list of different names, each 1 to {LONGEST_ACCOUNT} characters")
            return ()
        return tuple(value)
