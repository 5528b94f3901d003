"""What is wrong with a topology document: every problem, with its place and its fix. Pure: no files are read here."""

import difflib
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from chaosdrill.topology.lines import Place

_TYPES = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
_formats = FormatChecker(formats=())
_formats.checks("ip-address", raises=ValueError)(lambda value: bool(ipaddress.ip_address(value)) or True)
_formats.checks("cidr", raises=ValueError)(lambda value: bool(ipaddress.ip_network(value)) or True)


@dataclass(frozen=True)
class Problem:
    """One thing to correct: where, what is wrong, and how to write it."""

    place: Place
    what: str
    fix: str

    @property
    def key(self) -> str:
        """The place as a dotted key, such as ``routing.cluster_endpoints[2].url``."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place)
        return text.lstrip(".") or "(the whole file)"


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("chaosdrill.topology").joinpath("schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=_formats)


def problems_of(value: Any) -> list[Problem]:
    """:returns: everything that is wrong with the document ``value``; when its form is right, also its sense."""
    found = {problem: None for error in _validator().iter_errors(value) for problem in _of_form(error)}
    return list(found) or list(_of_sense(value))


def _of_form(error: ValidationError) -> Iterator[Problem]:
    place: Place = tuple(error.absolute_path)
    instance: Any = error.instance
    wanted: Any = error.validator_value
    schema: dict[str, Any] = dict(error.schema) if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for key in sorted(set(map(str, instance)) - set(known)):
            yield Problem((*place, key), "unknown key", _suggestion(key, known))
    elif error.validator == "required":
        for key in wanted:
            if key not in instance:
                yield Problem((*place, key), "missing", f"add `{key}:` with {_description(schema, key)}")
    else:
        yield Problem(place, f"is {_shown(instance)}", f"write {schema.get('description', 'it anew')}")


def _suggestion(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"remove it; known here: {', '.join(known)}"


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
    return repr(value)


def _of_sense(value: dict[str, Any]) -> Iterator[Problem]:
    regions = value["regions"]
    if regions["home"] == regions["standby"]:
        yield Problem(("regions", "standby"), f"is {regions['home']!r} like home", "name another region")
        return
    for place in (("load_balancers",), ("stop_flag", "tables"), ("routing", "controls"), ("database", "clusters")):
        yield from _by_region(place, value, set(regions.values()))
    if value["target"] == "aws" and value.get("time_scale", 1) != 1:
        yield Problem(("time_scale",), f"is {value['time_scale']!r} on aws", "remove it: waits on aws cannot be scaled")
    aws = value.get("aws", {})
    if value["target"] == "lab" and not (aws.get("endpoint_url") or (aws.get("config_file") and aws.get("profile"))):
        yield Problem(
            ("aws",),
            "does not say where the lab answers",
            "add `endpoint_url:`, or `config_file:` and `profile:`, so that no real account can be reached",
        )


def _by_region(place: Place, value: Any, regions: set[str]) -> Iterator[Problem]:
    for part in place:
        value = value[part]
    for region in sorted(set(value) - regions):
        missing = sorted(regions - set(value))
        yield Problem(
            (*place, region),
            "is not one of the regions home and standby",
            _suggestion(region, missing or sorted(regions)),
        )
    for region in sorted(regions - set(value)):
        yield Problem((*place, region), "missing", f"add an entry for {region}")
