"""Detection of secrets in text, by their names or their places. The one list for every writer; pure.

The standard library only: it also runs on the client host, inside Locust.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"
FEW_DIGITS = 6
LONG_KEY = 16  # characters; a shorter `key` or `code` in a URL is taken for the number of an item

_NAMES = (
    r"password|passwd|passphrase|(?<![a-z])pwd(?![a-z])|secret|token|credential|private[-_]?key|access[-_]?key"
    r"|api[-_]?key|subscription[-_]?key|functions[-_]?key|authorization|cookie|bearer|signature|(?<![a-z])sig(?![a-z])|(?<![a-z])jwt(?![a-z])"
    r"|client[-_]assertion"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)
# the value of such a name says where a secret is, or how it is used; it is no secret itself
_ABOUT = re.compile(r"[-_](?:arn|endpoint|file|header|name|path|policy|source|ttl|type|uri|url)$", re.IGNORECASE)

# `user:password@host`, the password up to the last `@`; of a user alone only a value as long as a token
_USER = re.compile(r"(?P<before>://(?:[^/\s@:]*:(?=[^/\s@])|(?=[^/\s@:]{16})))(?P<value>(?!\*\*\*@)[^/\s]+)(?=@)")
# a shell's `NAME=value`, an option's `--name value` and `--name=value`, and JSON within a text
_ASSIGNED = re.compile(
    r"(?P<before>(?:(?<![\w?&;#$.{%-])(?:(?P<name>[A-Za-z_]\w{0,60})=|--(?P<option>[A-Za-z][\w-]{0,60})[= ]\s{0,3})"
    r"|\\?[\"'](?P<key>[\w.-]{1,60})\\?[\"']\s{0,3}:\s{0,3}(?=\\?[\"']))(?P<quote>\\?[\"'])?)"
    r"(?P<value>(?!\$?\{|\$|\*\*\*|-)[^\s&;\"'<>\\]{4,})"
)
# a parameter of a URL, also within HTML, within a script of a page, or percent-encoded
_PARAMETER = re.compile(
    r"(?P<before>(?:[?&;#]|\\u0026|%3F|%26)(?P<name>[\w.~-]{1,100})(?:=|\\u003d|%3D))"
    r"(?P<value>(?!\$?\{|\*\*\*)[^\s&#;\"'<>\\`]+?)(?=%26|[\s&#;\"'<>\\`]|$)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<before>(?:(?<![\w-])|(?<=\\u00[0-9a-f]{2}))(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|secret|signature))"
    r"[\"']?\s*[:=]\s*[\"']?(?:(?:basic|bearer|digest|token)\s+)?)"
    r"(?P<value>(?!\$?\{|\*\*\*|(?:basic|bearer|digest|token)\s)[^\s\"'\\,;{}]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:basic|bearer|digest|token)\s+(?P<value>\S+)$", re.IGNORECASE)


def names_a_secret(name: str) -> bool:
    """Return whether the value of a key or URL parameter with this name is taken for a secret."""
    return _NAME.search(name) is not None


def is_about_a_secret(name: str) -> bool:
    """Return whether the value of such a name describes a secret, as ``token_url`` does, and is none itself."""
    return _ABOUT.search(name) is not None


def hide_secrets_in(text: str) -> str:
    """Hide the secrets that a text reveals by its form.

    :returns: the text with ``***`` for the password of a URL, for a URL's parameters whose names are those of secrets
        (``?sig=``, ``&access_token=``), and for the values of headers such as ``Authorization:`` and ``X-Api-Key:``.
    """
    if "=" in text:
        text = _PARAMETER.sub(_hidden_parameter, text)
    if ":" in text or "=" in text:
        text = _HEADER.sub(rf"\g<before>{HIDDEN}", text)
    if "=" in text or "--" in text or ":" in text:
        text = _ASSIGNED.sub(_hidden_assignment, text)
    return _USER.sub(rf"\g<before>{HIDDEN}", text) if "@" in text else text


def secrets_in(text: str) -> set[str]:
    """Return the values that :func:`hide_secrets_in` hides, as written and URL-decoded."""
    found = [one["value"] for pattern in (_USER, _HEADER) for one in pattern.finditer(text)]
    found += [one["value"] for one in _PARAMETER.finditer(text) if _is_secret(one)]
    found += [one["value"] for one in _ASSIGNED.finditer(text) if _is_assigned_secret(one)]
    return {form for one in found for form in (one, unquote(one))}


def forms_of(value: str) -> set[str]:
    """Return a secret as its key holds it, and without its scheme: for ``Bearer abc`` also ``abc``."""
    bare = _SCHEME.match(value)
    return {value, bare["value"]} if bare else {value}


def _is_secret(found: re.Match[str]) -> bool:
    name = found["name"].lower()
    return names_a_secret(name) or (name in ("auth", "code", "key", "sas") and len(found["value"]) >= LONG_KEY)


def _is_assigned_secret(found: re.Match[str]) -> bool:
    """Return whether an assigned value is a secret. The value of ``{"secret": NAME}`` says where one is, and a short
    number is none.
    """
    name, value = found["name"] or found["option"] or found["key"], found["value"]
    about = is_about_a_secret(name) or name.lower() in ("secret", "secrets")
    return names_a_secret(name) and not about and not (value.isdigit() and len(value) < FEW_DIGITS)


def _hidden_assignment(found: re.Match[str]) -> str:
    return f"{found['before']}{HIDDEN}" if _is_assigned_secret(found) else found[0]


def _hidden_parameter(found: re.Match[str]) -> str:
    return f"{found['before']}{HIDDEN}" if _is_secret(found) else found[0]
