"""What is wrong with a topology document: every problem, with its place and its fix. Pure: no files are read here."""

import ipaddress
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from chaosdrill.topology import sense
from chaosdrill.topology.lines import Place
from chaosdrill.topology.sense import Problem, suggestion

_TYPES = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
_formats = FormatChecker(formats=())
_formats.checks("ip-address", raises=ValueError)(lambda value: bool(ipaddress.ip_address(value)) and "%" not in value)
_formats.checks("cidr", raises=ValueError)(lambda value: bool(ipaddress.IPv4Network(value)) or True)
MOVED = {"load_generator": "write its keys (run, url, s3) under `client:`"}
_USER = re.compile(r"(?<=://)[^/\s]*@")  # and password: nobody shows it


@_formats.checks("url", raises=ValueError)
def _is_url(value: Any) -> bool:
    url = urlsplit(value)
    return bool(url.hostname) and url.port != 0 and "@" not in url.netloc


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("chaosdrill.topology").joinpath("schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=_formats)


def problems_of(value: Any) -> list[Problem]:
    """:returns: everything that is wrong with the document ``value``: its form, and the sense of what has its form."""
    found = {problem: None for error in _validator().iter_errors(value) for problem in _of_form(error)}
    return [*found, *sense.problems_of(value, [problem.place for problem in found])]


def problems_of_part(kind: str, text: str) -> str:
    """:returns: what to write instead of ``text``; empty when it has the form of ``region`` or ``domain``."""
    schema = _validator().schema
    wanted = schema["$defs"].get(kind) or schema["properties"][kind]
    return "" if _validator().evolve(schema=wanted).is_valid(text) else str(wanted["description"])


def _of_form(error: ValidationError) -> Iterator[Problem]:
    place: Place = tuple(error.absolute_path)
    instance: Any = error.instance
    wanted: Any = error.validator_value
    schema: dict[str, Any] = dict(error.schema) if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for key in sorted(set(map(str, instance)) - set(known)):
            fix = MOVED.get(".".join(map(str, (*place, key)))) or suggestion(key, known)
            yield Problem((*place, key), "unknown key", fix)
    elif error.validator == "required":
        for key in wanted:
            if key not in instance:
                yield Problem((*place, key), "missing", f"add `{key}:` with {_description(schema, key)}")
    else:
        yield Problem(place, f"is {_shown(instance)}", f"write {schema.get('description', 'it anew')}")


def _description(schema: dict[str, Any], key: str) -> str:
    wanted = schema["properties"][key]
    if "$ref" in wanted:
        wanted = _validator().schema["$defs"][wanted["$ref"].rsplit("/", 1)[1]]
    return str(wanted["description"])


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return _TYPES[type(value)] + (" without entries" if not value else f" of {len(value)}")
    return repr(_USER.sub("***@", value) if isinstance(value, str) else value)
