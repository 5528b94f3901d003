"""Checks of the command line and the configuration as Chaos Toolkit resolved them: rollback strategy, missing
values.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from chaosdrill.errors import Problem, problem

_EMPTY = (None, "")


def problems_of_strategy(experiment: Mapping[str, Any]) -> list[Problem]:
    """Check the rollback strategy of the command line, which overrides the experiment's.

    :returns: a problem when it would leave changes in place. Outside ``chaos run`` there is no command line.
    """
    context = click.get_current_context(silent=True)
    given = context.params.get("rollback_strategy") if context is not None else None
    if given in (None, "always") or not experiment.get("rollbacks"):
        return []
    why = f"--rollback-strategy {given}: an interrupted or failed drill would not be undone: leave the option out"
    return [problem("rollbacks-not-always", why)]


def problems_of_missing_values(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> list[Problem]:
    """Check that every value from elsewhere exists: Chaos Toolkit continues without it, so a drill would run with a
    default that nobody wrote.

    :param configuration: as Chaos Toolkit resolved it.
    :param secrets: likewise.
    :returns: a problem for each declared key without a value, with the probe, variable or path that gave none.
    """
    declared = experiment.get("configuration") or {}
    problems = [
        _missing(f"configuration: {key}", source, f"or pass --var {key}=VALUE")
        for key, source in declared.items()
        if _comes_from_elsewhere(source) and _is_missing(source, configuration.get(key))
    ]
    for path, source, value in _secrets(experiment.get("secrets") or {}, secrets or {}, "secrets"):
        if value in (*_EMPTY, {}):
            problems.append(_missing(path, source, "or remove the key"))
    return problems


def _comes_from_elsewhere(source: Any) -> bool:
    return isinstance(source, Mapping) and source.get("type") in ("probe", "env", "vault")


def _is_missing(source: Mapping[str, Any], value: Any) -> bool:
    if "default" in source and value == source["default"]:
        return False
    return value in _EMPTY or value == source  # Chaos Toolkit resolves vault among secrets only


def _secrets(declared: Any, resolved: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for key, source in declared.items():
        value = resolved.get(key) if isinstance(resolved, Mapping) else None
        if _comes_from_elsewhere(source):
            yield f"{path}: {key}", source, value
        elif isinstance(source, Mapping):
            yield from _secrets(source, value, f"{path}: {key}")


def _missing(what: str, source: Mapping[str, Any], otherwise: str) -> Problem:
    kind = source["type"]
    if kind == "probe":
        cause = f"the probe {source.get('name')!r} failed or gave no value: chaostoolkit.log has its error; correct it"
    elif kind == "env":
        cause = f"the environment variable {source.get('key')} is empty: set it"
    else:
        cause = f"Vault gave no value for {source.get('path') or source.get('key')}: correct the path"
    return problem("value-missing", f"{what}: has no value: {cause}, {otherwise}")
