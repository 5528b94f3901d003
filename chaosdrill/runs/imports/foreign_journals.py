"""Strict reading of untrusted journals, without their secrets."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from chaosdrill.analysis.untrusted_json import mapping
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.json_safe import DEEPEST
from chaosdrill.history.secrets import secrets_within, values_of_secret
from chaosdrill.runs.documents import read_json
from chaosdrill.runs.imports.imported import problems_of
from chaosdrill.secret_text import names_a_secret


def read_journal(path: Path) -> dict[str, Any]:
    """Return the journal of plain Chaos Toolkit in a file.

    :raises BadInput: when it is invalid, with every reason.
    """
    try:
        found = json.loads(read_json(path), parse_constant=_no_constant, parse_float=_finite)
    except OSError as error:
        raise BadInput([f"{path} cannot be read: {error.strerror or error}"]) from error
    except RecursionError as error:
        raise _invalid(_too_deep(path)) from error
    except ValueError as error:
        raise _invalid(f"{path} is no JSON, or was not written to its end: {error}") from error
    if _is_deep(found):
        raise _invalid(_too_deep(path))
    if problems := problems_of(found):
        raise _invalid(*(f"{path} is no journal of plain Chaos Toolkit: {why}" for why in problems))
    journal: dict[str, Any] = found
    return journal


def secrets_in(journal: Mapping[str, Any]) -> set[str]:
    """Return the texts in a journal that must not be stored.

    These are the values of the experiment's ``secrets``, the values in its ``configuration`` whose names indicate a
    secret, and the environment variables that either of them names, if they are set here.
    """
    experiment = mapping(journal.get("experiment"))
    configuration = mapping(experiment.get("configuration"))
    named = {name: value for name, value in configuration.items() if names_a_secret(name)}
    return values_of_secret([experiment.get("secrets"), named]) | secrets_within(experiment)


def _invalid(*why: str) -> BadInput:
    return BadInput([problem("journal-invalid", one) for one in why])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is larger than any number")
    return number


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _too_deep(path: Path) -> str:
    return f"{path} is nested more than {DEEPEST} deep: Chaos Toolkit writes no such journal"
