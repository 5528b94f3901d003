"""Experiments as files: those of users, and those that come with chaosdrill."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, problem


def shipped_experiments() -> dict[str, str]:
    """Return the text of each experiment shipped with chaosdrill, by file name."""
    there = files("chaosdrill").joinpath("experiments")
    found = [one for one in there.iterdir() if one.name.endswith((".yaml", ".json"))]
    return {one.name: one.read_text(encoding="utf-8") for one in sorted(found, key=lambda one: one.name)}


def read_experiment(experiment: str) -> Mapping[str, Any]:
    """Read an experiment, from a file or one shipped with chaosdrill.

    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    import yaml

    from chaosdrill.bounded_yaml import load_yaml

    path = Path(experiment)
    shipped = {Path(name).stem: text for name, text in shipped_experiments().items()}
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else shipped[path.stem]
        read = load_yaml(text)  # JSON is YAML, too
        if not isinstance(read, Mapping) or not isinstance(read.get("configuration") or {}, Mapping):
            raise ValueError("it is not a mapping with a configuration")
    except (OSError, ValueError, yaml.YAMLError, KeyError) as error:
        text = f"{experiment}: the configuration of an experiment cannot be read from it: {error!r}"
        raise BadInput([problem("experiment-invalid", text)]) from error
    return read


def configuration_of(experiment: str) -> Mapping[str, Any]:
    """Return the configuration of an experiment, from a file or one shipped with chaosdrill.

    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    configuration = read_experiment(experiment).get("configuration") or {}
    return {str(key): value for key, value in configuration.items()}


def functions_of(experiment: str) -> set[str]:
    """Return the functions that the activities of an experiment call.

    :returns: their names, without the module.
    :raises BadInput: when there is none of that name, or its file is not an experiment.
    """
    return set(_functions(read_experiment(experiment)))


def _functions(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("func"), str):
            yield part["func"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _functions(inner)
