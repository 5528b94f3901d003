"""Request templates, and the bytes of a request with the placeholders filled in."""

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chaosdrill.heartbeat.target import BeatTarget

WORD = re.compile(r"\{(account|id|quantity)\}")
_ANY_WORD = re.compile(r"\{([^{}]*)\}")
AGENT = "chaosdrill-heartbeat"


@dataclass(frozen=True)
class Operation:
    """One kind of request, as the topology writes it: ``{account}``, ``{id}`` and ``{quantity}`` are filled in.

    :param status: the expected statuses.
    :param body: sent as JSON; None: no body.
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    status: frozenset[int]
    body: Any = None

    @cached_property
    def words(self) -> set[str]:
        """The placeholders in it, known ones or not."""
        texts = (self.path, *self.headers.values(), *_texts(self.body))
        return {word for text in texts for word in _ANY_WORD.findall(text)}

    def request(self, target: BeatTarget, account: str = "", identity: str = "", quantity: int = 0) -> bytes:
        """Return the complete request, for a connection of its own."""
        values = {"account": account, "id": identity, "quantity": str(quantity)}
        path = self.path
        if "{" in path:
            path = _filled(path, {word: urllib.parse.quote(value, safe="") for word, value in values.items()})
        body = b"" if self.body is None else json.dumps(_with_values(self.body, values, quantity)).encode()
        length = f"Content-Length: {len(body)}\r\n" if body or self.method not in ("GET", "HEAD", "DELETE") else ""
        first = f"{self.method} {target.base}{path} HTTP/1.1\r\nHost: {target.authority}\r\n"
        headers = _filled(self._headers, {word: _printable(value) for word, value in values.items()})
        return f"{first}{headers}{length}\r\n".encode("latin-1", "replace") + body

    @cached_property
    def _headers(self) -> str:
        headers = {"Connection": "close", "User-Agent": AGENT}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        given = {name.lower() for name in self.headers}
        own = {name: text for name, text in headers.items() if name.lower() not in given or name == "Connection"}
        return "".join(f"{name}: {text}\r\n" for name, text in {**own, **self.headers}.items())


def _filled(text: str, values: Mapping[str, str]) -> str:
    return WORD.sub(lambda found: values[found[1]], text) if "{" in text else text


def _printable(value: str) -> str:
    """Escape an id from an application's response, so that it cannot end a header and begin another."""
    return value if value.isascii() and value.isprintable() else urllib.parse.quote(value)


def _with_values(value: Any, values: Mapping[str, str], quantity: int) -> Any:
    """Fill in the placeholders of a body. ``"{quantity}"`` alone becomes a number."""
    if isinstance(value, dict):
        return {key: _with_values(inner, values, quantity) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_values(inner, values, quantity) for inner in value]
    if value == "{quantity}":
        return quantity
    return _filled(value, values) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
