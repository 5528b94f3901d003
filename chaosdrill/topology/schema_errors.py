"""Conversion of JSON schema errors to problems with their place and fix. Pure."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from chaosdrill.topology.consistency import TopologyProblem, suggestion
from chaosdrill.topology.yaml_positions import Place

_TYPES = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
_USER = re.compile(r"(?<=://)[^/\s]*@")  # user and password, which are never shown


def _is_finite_number(checker: TypeChecker, value: Any) -> bool:
    """Return whether a value is a finite number; ``.nan`` is none: it is neither below a minimum nor above a
    maximum.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_Validator: Any = extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_finite_number)
)


def validator_of(schema: Mapping[str, Any], formats: FormatChecker) -> Draft202012Validator:
    """Return a validator whose numbers are finite."""
    validator: Draft202012Validator = _Validator(schema, format_checker=formats)
    return validator


def problems_of_error(
    error: ValidationError, definitions: Mapping[str, Any], moved: Mapping[str, str] | None = None
) -> Iterator[TopologyProblem]:
    """Describe an error of a schema in which each part has a ``description`` of what to write.

    :param definitions: ``$defs`` of the schema.
    :param moved: the fix for a key of an earlier version, by its dotted key.
    """
    place: Place = tuple(error.absolute_path)
    instance: Any = error.instance
    wanted: Any = error.validator_value
    schema: dict[str, Any] = dict(error.schema) if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for key in sorted(set(map(str, instance)) - set(known)):
            fix = (moved or {}).get(".".join(map(str, (*place, key)))) or suggestion(key, known)
            yield TopologyProblem((*place, key), "unknown key", fix)
    elif error.validator == "required":
        for key in wanted:
            if key not in instance:
                yield TopologyProblem(
                    (*place, key), "missing", f"add `{key}:` with {_description(schema, key, definitions)}"
                )
    else:
        yield TopologyProblem(place, f"is {_shown(instance)}", f"write {schema.get('description', 'it anew')}")


def _description(schema: Mapping[str, Any], key: str, definitions: Mapping[str, Any]) -> str:
    wanted = schema["properties"][key]
    if "$ref" in wanted:
        wanted = definitions[wanted["$ref"].rsplit("/", 1)[1]]
    return str(wanted["description"])


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return _TYPES[type(value)] + (" without entries" if not value else f" of {len(value)}")
    return repr(_USER.sub("***@", value) if isinstance(value, str) else value)
