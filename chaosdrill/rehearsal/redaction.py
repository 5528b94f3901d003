"""Redaction of recorded calls: everything that identifies the account or people is replaced. Pure.

The same value always gets the same replacement, so that references stay consistent. Names that users gave to resources
(tables, clusters, state machines, load balancers) stay: without them the responses would be useless.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from chaosdrill.history import to_json_safe

_Made = Callable[[int, str], str]


def _hexadecimal(n: int, it: str) -> str:
    return f"{n:0{len(it)}x}"


def _of_its_kind(letters: int) -> _Made:
    return lambda n, it: it[:letters] + f"{n:0{len(it) - letters}d}"


# What is replaced, in this order: its kind, its pattern (the group `it`), and the replacement of the nth of its kind.
# A pattern such as `user/*` names no one.
_HIDDEN: tuple[tuple[str, str, _Made], ...] = (
    ("person", r"(?P<it>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", lambda n, _: f"person-{n}@example.com"),
    ("role", r":assumed-role/(?P<it>(?!\*)[^/\s\",]+)", lambda n, _: f"role-{n}"),
    ("session", r":assumed-role/[^/\s\",]+/(?P<it>[^\s\",]+)", lambda n, _: f"session-{n}"),
    ("session", r"\bARO[A-Z0-9]{13,}:(?P<it>[^\s\",]+)", lambda n, _: f"session-{n}"),
    ("user", r":user/(?P<it>(?!\*)[^\s\",]+)", lambda n, _: f"user-{n}"),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    ("unique", r"\b(?P<it>A(?:BIA|CCA|GPA|IDA|IPA|KIA|NPA|NVA|PKA|ROA|SCA|SIA)[A-Z0-9]{12,})\b", _of_its_kind(4)),
    (
        "uuid",
        r"\b(?P<it>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b",
        lambda n, _: f"00000000-0000-4000-8000-ffff{n:08x}",
    ),
    (
        "id",
        r"\b(?P<it>(?:mi|i|vpc|subnet|sg|eni|igw|rtb|ami|vol)-[0-9a-f]{8,17})\b",
        lambda n, it: f"{it.partition('-')[0]}-{n:017x}",
    ),
    ("fis", r"\b(?P<it>EX[TP](?=[A-Z]*[0-9a-z])[0-9A-Za-z]{8,})\b", _of_its_kind(3)),
    ("zone", r"\b(?P<it>Z[0-9A-Z]{12,31})\b", _of_its_kind(1)),
    ("endpoint", r"\b(?P<it>[0-9a-z]+)(?=\.route53-recovery-cluster\.)", _hexadecimal),
    ("database", r"(?:\.|cluster-(?:ro-|custom-)?)(?P<it>[0-9a-z]{8,})(?=\.[a-z0-9-]+\.rds\.)", _hexadecimal),
    ("database", r"\b(?:cluster|db)-(?P<it>[A-Z0-9]{20,})\b", _of_its_kind(0)),
    ("balancer", r"-(?P<it>\d{6,11})(?=\.[a-z0-9-]+\.elb\.)", _of_its_kind(0)),
    # ids of ARC's panels and controls, load balancers and target groups; zeros at the beginning mark a replacement
    ("hexadecimal", r"(?<![0-9A-Za-z])(?P<it>(?!0{8})[0-9a-f]{15,64})(?![0-9A-Za-z])", _hexadecimal),
    ("account", r"(?<!\d)(?P<it>(?!0{8})\d{12})(?!\d)", _of_its_kind(0)),
)
_RULES = tuple((kind, re.compile(pattern), made) for kind, pattern, made in _HIDDEN)
_ADDRESS = re.compile(
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
)
# kept pairs of Key and Value: these tags, and the attributes of a load balancer
_OURS = "chaosdrill"  # the value of the tag that identifies templates
_KEPT_TAG = re.compile(r"Name|chaosdrill-.*|routing\.http\.[a-z_.]+")


@dataclass
class Redaction:
    """Replaces people, account numbers, ids, public addresses, the domain and tags; private addresses stay.

    :param domain: the domain that clients resolve; it becomes api.example.com.
    """

    domain: str
    _names: dict[str, dict[str, str]] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        """Return ``value`` as JSON values, redacted."""
        return self._value(to_json_safe(value))

    def text(self, text: str) -> str:
        """Return ``text``, redacted."""
        if text.startswith("%7B"):  # a policy, as IAM's responses encode it
            return quote(self.text(unquote(text)), safe="")
        parent = self.domain.partition(".")[2]
        for name, other in ((self.domain, "api.example.com"), (parent, "example.com")):
            if "." in name:
                text = re.sub(re.escape(name), other, text, flags=re.IGNORECASE)
        for kind, pattern, made in _RULES:
            text = pattern.sub(self._renamed(kind, made), text)
        return _ADDRESS.sub(self._address, text)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, Mapping):
            return {self.text(key): self._value(_without_tags(key, item, value)) for key, item in value.items()}
        return value

    def _renamed(self, kind: str, made: _Made) -> Callable[[re.Match[str]], str]:
        names = self._names.setdefault(kind, {})

        def rename(found: re.Match[str]) -> str:
            before = found[0][: found.start("it") - found.start()]
            return before + names.setdefault(found["it"], made(len(names) + 1, found["it"]))

        return rename

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        if not address.is_global:
            return found[0]
        names = self._names.setdefault(f"address {address.version}", {})
        n = len(names) + 1
        return names.setdefault(str(address), f"203.0.113.{n % 256}" if address.version == 4 else f"2001:db8::{n:x}")


def _without_tags(key: str, item: Any, holder: Mapping[str, Any]) -> Any:
    """Redact the value of a tag, which can hold anything, even a name; services write tags as pairs or as a mapping."""
    if key.lower() in ("tags", "resourcetags") and isinstance(item, Mapping):
        return {tag: text if _KEPT_TAG.fullmatch(tag) or text == _OURS else "redacted" for tag, text in item.items()}
    name = holder.get("Key", holder.get("key"))
    is_tag = key.lower() == "value" and isinstance(name, str) and not _KEPT_TAG.fullmatch(name)
    return "redacted" if is_tag and isinstance(item, str) and item != _OURS else item
