"""Validation of a topology document, with the place and the fix of every problem. Pure: no files are read here."""

import ipaddress
import json
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

from chaosdrill.topology import consistency
from chaosdrill.topology.consistency import TopologyProblem
from chaosdrill.topology.schema_errors import problems_of_error, validator_of

_formats = FormatChecker(formats=())
_formats.checks("ip-address", raises=ValueError)(lambda value: bool(ipaddress.ip_address(value)) and "%" not in value)
_formats.checks("cidr", raises=ValueError)(lambda value: bool(ipaddress.IPv4Network(value)) or True)
MOVED = {"load_generator": "write its keys (run, url, s3) under `client:`"}


@_formats.checks("url", raises=ValueError)
def _is_url(value: Any) -> bool:
    url = urlsplit(value)
    return bool(url.hostname) and url.port != 0 and not {"@", "\\"} & set(url.netloc)


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("chaosdrill.topology").joinpath("schema.json").read_text(encoding="utf-8"))
    return validator_of(schema, _formats)


def problems_of(value: Any) -> list[TopologyProblem]:
    """Return all problems of the document ``value``: of its form, and of the consistency of its well-formed parts."""
    errors, definitions = _validator().iter_errors(value), _validator().schema["$defs"]
    found = {problem: None for error in errors for problem in problems_of_error(error, definitions, MOVED)}
    return [*found, *consistency.problems_of(value, [problem.place for problem in found])]


def problems_of_part(kind: str, text: str) -> str:
    """Return what to write instead of ``text``; empty when it has the form of ``region`` or ``domain``."""
    schema = _validator().schema
    wanted = schema["$defs"].get(kind) or schema["properties"][kind]
    return "" if _validator().evolve(schema=wanted).is_valid(text) else str(wanted["description"])
