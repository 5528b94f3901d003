"""What was recorded in an account, without what tells whose it is. Pure.

The same thing always gets the same other name, so that what belonged together still does.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.history import plain

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_ID = re.compile(r"\b(mi|i|vpc|subnet|sg|eni|igw|rtb|ami|vol)-([0-9a-f]{8,17})\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_KEPT_TAGS = ("Name",)


@dataclass
class Redaction:
    """Replaces account numbers, ids, public addresses and the domain; private addresses stay.

    :param domain: the name that clients resolve; it becomes api.example.com.
    """

    domain: str
    _names: dict[str, dict[str, str]] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        """:returns: ``value`` as JSON values, redacted."""
        return self._value(plain(value))

    def text(self, text: str) -> str:
        """:returns: ``text``, redacted."""
        parent = self.domain.partition(".")[2]
        for name, other in ((self.domain, "api.example.com"), (parent, "example.com")):
            if "." in name:
                text = text.replace(name, other)
        text = _UUID.sub(self._renamed("uuid", lambda n, _: f"00000000-0000-4000-8000-ffff{n:08x}"), text)
        text = _ID.sub(self._renamed("id", lambda n, found: f"{found[1]}-{n:017x}"), text)
        text = _ACCOUNT.sub(self._renamed("account", lambda n, _: f"{n:012d}"), text)
        return _ADDRESS.sub(self._address, text)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, Mapping):
            return {self.text(key): self._value(self._tag_value(key, item, value)) for key, item in value.items()}
        return value

    @staticmethod
    def _tag_value(key: str, item: Any, holder: Mapping[str, Any]) -> Any:
        """A tag can hold anything, a person's name too."""
        is_tag = key == "Value" and "Key" in holder and holder["Key"] not in _KEPT_TAGS
        return "redacted" if is_tag and isinstance(item, str) else item

    def _renamed(self, kind: str, made: Callable[[int, re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        names = self._names.setdefault(kind, {})

        def rename(found: re.Match[str]) -> str:
            return names.setdefault(found[0], made(len(names) + 1, found))

        return rename

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.IPv4Address(found[0])
        except ValueError:
            return found[0]
        if not address.is_global:
            return found[0]
        names = self._names.setdefault("address", {})
        return names.setdefault(found[0], f"203.0.113.{(len(names) + 1) % 256}")
